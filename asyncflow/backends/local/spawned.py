"""`--isolation spawn`: a task in a fresh interpreter that imports the flow itself.

The zygote forks as ever and the child executes a new Python, so everything around a task stays the same. What it needs
to know is in an unlinked file that it inherits.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import msgpack

from asyncflow.backends.local import child
from asyncflow.backends.local.bootstrap import python_command
from asyncflow.backends.local.orphans import name_of
from asyncflow.backends.local.processes import name_process
from asyncflow.backends.local.wire import pack_run, unpack_run, unpack_task
from asyncflow.store.local import LocalStore

__all__ = ["execute", "main"]

_MODULE = "asyncflow.backends.local.spawned"


def execute(place: child.Place, body: bytes) -> NoReturn:
    """Become a fresh interpreter that runs the task. Raises OSError if that is not possible."""
    import tempfile  # comes with much that a zygote does without

    spec = unpack_task(body)
    with tempfile.TemporaryFile() as file:
        file.write(msgpack.packb([pack_run(place.run, spawns=True), body]))
        file.flush()
        file.seek(0)
        os.set_inheritable(file.fileno(), True)
        os.set_inheritable(place.report_fd, True)
        env = {**os.environ, **place.run.environment.get(spec.step, {})}
        command = python_command(_MODULE, str(file.fileno()), str(place.report_fd))
        os.execve(command[0], command, env)


def main() -> None:
    """Run the one task that the inherited file describes, and exit."""
    from asyncflow.flow.load import load_flow

    spec_fd, report_fd = map(int, sys.argv[1:3])
    with open(spec_fd, "rb") as file:
        run_data, task_data = msgpack.unpackb(file.read())
    os.set_inheritable(report_fd, False)
    run, _ = unpack_run(run_data)
    name_process(name_of(run.store_root, run.run))
    child.open_streams()
    child.stop_on_sigterm(owner=0)
    sys.argv[:] = [run.flow_file]
    place = child.Place(run=run, store=LocalStore(run.store_root), report_fd=report_fd)
    child.perform(load_flow(run.flow_file, run.flow), place, unpack_task(task_data))


if __name__ == "__main__":
    main()
