"""A process that drives runs against a store: `python -m tests.integration.events.writer PATH RUNS APPENDS [PACE]`.

Prints `RUN SEQ` after each append that is durable.
"""

from __future__ import annotations

import resource
import signal
import sys

import anyio

from asyncflow.errors import StoreError
from asyncflow.events.sqlite_log import SqliteLog
from tests.unit.events.stories import ignored, launched, run_created, succeeded, task_created

MOST_BYTES = "--most-bytes="


async def drive(log: SqliteLog, appends: int) -> None:
    run = await log.create_run_id()
    await log.acquire_lease(run)
    seq = await log.append(run, [run_created(run)], expected_seq=0)
    sys.stdout.write(f"{run} {seq}\n")
    for task in range(1, appends + 1):
        events = [task_created(task, run=run), launched(task), ignored("x" * 200), succeeded(task)]
        seq = await log.append(run, events, expected_seq=seq)
        sys.stdout.write(f"{run} {seq}\n")
        sys.stdout.flush()
    await log.release_lease(run)


async def main(path: str, runs: int, appends: int) -> None:
    async with SqliteLog(path) as log, anyio.create_task_group() as drivers:
        for _ in range(runs):
            drivers.start_soon(drive, log, appends)


def limit_file_size(argument: str) -> None:
    """Let the kernel refuse to make a file larger: what a full disk or a quota does."""
    size = int(argument.removeprefix(MOST_BYTES))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


if __name__ == "__main__":
    if sys.argv[-1].startswith(MOST_BYTES):
        limit_file_size(sys.argv.pop())
    try:
        anyio.run(main, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    except* StoreError as group:
        error = group.exceptions[0]
        sys.stderr.write(f"StoreError: {error}\n")
        sys.exit(1)
