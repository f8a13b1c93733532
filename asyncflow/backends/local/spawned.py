"""`--isolation spawn`: a task in a fresh interpreter that imports the flow itself.

The zygote forks as ever and the child executes a new Python, so everything around a task stays the same. What it needs
to know is in an unlinked file that it inherits.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import NoReturn

import msgpack

from asyncflow.backends.local import child
from asyncflow.backends.local.bootstrap import python_command
from asyncflow.backends.local.orphans import name_of
from asyncflow.backends.local.processes import name_process
from asyncflow.backends.local.reload import load_again
from asyncflow.backends.local.wire import pack_run, pack_task, unpack_run, unpack_task
from asyncflow.store.local import LocalStore
from asyncflow.worker.attempt import run_attempt
from asyncflow.worker.spec import RunSpec, TaskSpec

__all__ = ["execute", "main"]

_MODULE = "asyncflow.backends.local.spawned"


def execute(run: RunSpec, spec: TaskSpec, report_fd: int, attached: bytes) -> NoReturn:
    """Become a fresh interpreter that runs the task. Raises OSError if that is not possible."""
    import tempfile  # comes with much that a zygote does without

    with tempfile.TemporaryFile() as file:
        file.write(msgpack.packb([pack_run(run, spawns=True), pack_task(spec), attached]))
        file.flush()
        file.seek(0)
        os.set_inheritable(file.fileno(), True)
        os.set_inheritable(report_fd, True)
        env = {**os.environ, **run.environment.get(spec.step, {})}
        command = python_command(_MODULE, str(file.fileno()), str(report_fd))
        os.execve(command[0], command, env)


def main() -> None:
    """Run the one task that the inherited file describes, and exit."""
    spec_fd, report_fd = map(int, sys.argv[1:3])
    with open(spec_fd, "rb") as file:
        run_data, task_data, attached = msgpack.unpackb(file.read())
    os.set_inheritable(report_fd, False)
    run, _ = unpack_run(run_data)
    name_process(name_of(run.store_root, run.run))
    child.open_streams()
    sys.argv[:] = [run.flow_file]
    spec = unpack_task(task_data)
    flow_class = load_again(run.flow_file, run.flow, attached)
    work = partial(run_attempt, flow_class, run, spec, LocalStore(run.store_root))
    child.stop_on_sigterm()
    child.perform(work, spec.attempt, report_fd)


if __name__ == "__main__":
    main()
