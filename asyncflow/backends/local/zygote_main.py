"""A zygote started by exec, in place of one that was killed: it imports the flow and serves on inherited sockets."""

from __future__ import annotations

import os
import socket
import sys

from asyncflow.backends.local.nursery import serve_and_exit
from asyncflow.backends.local.reload import load_again
from asyncflow.errors import AsyncflowError

__all__ = ["main"]


def main() -> None:
    """Serve as `sys.argv` says: control and report descriptor, flow file, class, attached decorators."""
    control_fd, report_fd = map(int, sys.argv[1:3])
    flow_file, flow_name, attached = sys.argv[3:6]
    sys.argv[:] = [flow_file]
    os.set_inheritable(control_fd, False)
    os.set_inheritable(report_fd, False)
    control = socket.socket(fileno=control_fd)
    try:
        flow_class = load_again(flow_file, flow_name, bytes.fromhex(attached))
    except AsyncflowError as error:
        sys.stderr.write(f"{error.headline}: {error}\n")
        sys.exit(1)
    serve_and_exit(control, report_fd, flow_class)


if __name__ == "__main__":
    main()
