"""`--isolation spawn`: a task in a fresh interpreter that imports the flow itself.

The zygote forks as ever and the child executes a new Python, so everything around a task stays the same. What it needs
to know is in an unlinked file that it inherits.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import NamedTuple, NoReturn

import msgpack

from asyncflow.backends.local import child
from asyncflow.backends.local.bootstrap import python_command
from asyncflow.backends.local.orphans import name_of
from asyncflow.backends.local.processes import name_process
from asyncflow.backends.local.reload import load_again
from asyncflow.backends.local.wire import pack_run, pack_task, unpack_run, unpack_task
from asyncflow.compat.finder import install
from asyncflow.store.local import LocalStore
from asyncflow.worker.attempt import run_attempt
from asyncflow.worker.spec import RunSpec, TaskSpec

__all__ = ["Luggage", "execute", "execute_worker", "main"]

_MODULE = "asyncflow.backends.local.spawned"


class Luggage(NamedTuple):
    """What a fresh interpreter needs beside the specs."""

    attached: bytes
    """The decorators put on the flow from outside (`reload.attached_to`)."""
    report_fd: int
    life_fd: int | None
    """For `child.watch_parent`. None: the kernel sees to it."""


def execute(run: RunSpec, spec: TaskSpec, luggage: Luggage) -> NoReturn:
    """Become a fresh interpreter that runs the task. Raises OSError if that is not possible."""
    _become(run, spec.step, luggage, pack_task(spec), -1)


def execute_worker(run: RunSpec, step: str, luggage: Luggage, socket_fd: int) -> NoReturn:
    """Become a fresh interpreter that is an async worker, in the environment of a step. Raises OSError."""
    _become(run, step, luggage, None, socket_fd)


def _become(run: RunSpec, step: str, luggage: Luggage, task: bytes | None, socket_fd: int) -> NoReturn:
    import tempfile  # comes with much that a zygote does without

    with tempfile.TemporaryFile() as file:
        file.write(msgpack.packb([pack_run(run, spawns=True), task, luggage, socket_fd]))
        file.flush()
        file.seek(0)
        for fd in (file.fileno(), luggage.report_fd, luggage.life_fd, socket_fd):
            if fd is not None and fd >= 0:
                os.set_inheritable(fd, True)
        env = {**os.environ, **run.environment.get(step, {})}
        command = python_command(_MODULE, str(file.fileno()))
        os.execve(command[0], command, env)


def main() -> None:
    """Run the one task that the inherited file describes, or be the worker that it describes, and exit."""
    with open(int(sys.argv[1]), "rb") as file:
        run_data, task_data, fields, socket_fd = msgpack.unpackb(file.read())
    luggage = Luggage(*fields)
    os.set_inheritable(luggage.report_fd, False)
    if luggage.life_fd is not None:
        os.set_inheritable(luggage.life_fd, False)
        child.watch_parent(luggage.life_fd)
    run, _ = unpack_run(run_data)
    name_process(name_of(run.store_root, run.run))
    child.open_streams()
    sys.argv[:] = [run.flow_file]
    install()  # this process is for tasks only; their steps may import metaflow, too
    flow_class = load_again(run.flow_file, run.flow, luggage.attached)
    if task_data is None:
        from asyncflow.backends.local.async_worker import serve_tasks  # asyncio, which tasks do without

        os.set_inheritable(socket_fd, False)
        serve_tasks(socket_fd, flow_class, run)
    spec = unpack_task(task_data)
    work = partial(run_attempt, flow_class, run, spec, LocalStore(run.store_root), child.is_heard)
    child.stop_on_sigterm()
    child.perform(work, spec.attempt, luggage.report_fd)


if __name__ == "__main__":
    main()
