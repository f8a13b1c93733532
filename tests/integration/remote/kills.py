"""Kills schedulers whose jobs go on, resumes their runs here or on a clean machine, and counts what became of the jobs.

    python -m tests.integration.remote.kills --kills 20 --width 200

Of each run: no job was asked for twice, none was lost, none is left over.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.processes import wait_until_gone
from tests.integration.remote.machines import Cluster, kill, until
from tests.services import moto

__all__ = ["Told", "kill_a_scheduler"]

_FIXED_TASKS = 3
"""start, join, end."""


@dataclass
class Told:
    """What was done, and what went wrong."""

    in_flight: int = 0
    """Jobs that ran when the scheduler was killed."""
    ended_meanwhile: int = 0
    """Jobs that ended while there was no scheduler."""
    problems: list[str] = field(default_factory=list)


def kill_a_scheduler(cluster: Cluster, *, width: int, at: int, clean: bool, patience_s: float = 60.0) -> Told:
    """Kill a scheduler with jobs in flight, let half of them end, resume, and count.

    Args:
        cluster: Nothing has run there.
        width: How many tasks its foreach has.
        at: It is killed when so many of them have begun.
        clean: The run goes on on another machine, which has nothing but the bucket.
        patience_s: How long each stage may take.
    """
    told = Told()
    first = cluster.machine("first")
    running = first.start("run", first.flow("wide"), "--width", str(width), "--with", "process")
    until(lambda: len(cluster.journal()) >= at and cluster.job_directories(), f"{at} have begun", patience_s)
    kill(running)
    until(lambda: not _starting(cluster), "the jobs that were asked for have begun", patience_s)
    told.in_flight = len(cluster.living_jobs())
    cluster.open("even")
    until(lambda: not _of_even(cluster), "half of them have ended", patience_s)
    told.ended_meanwhile = told.in_flight - len(cluster.living_jobs())
    second = cluster.machine("second") if clean else first
    going_on = second.start("resume", "1", "--file", second.flow("wide"))
    cluster.open("all")
    ended = second.end_of(going_on)
    if ended.code != 0:
        told.problems.append(
            f"the resume ended with {ended.code}: {ended.stdout[-500:]}{ended.stderr[-1500:]}"
        )
        return told
    told.problems += _problems(cluster, width)
    total = second.artifact(f"WideFlow/1/end/{width + _FIXED_TASKS}", "total")
    if total != sum(number**2 for number in range(width)):
        told.problems.append(f"the result is {total}")
    return told


def _starting(cluster: Cluster) -> bool:
    """Tell whether a job was asked for that has not come to its step yet."""
    asked = [path for path in cluster.job_directories() if not path.name.startswith("1.")]
    return len(cluster.journal()) < len(asked)


def _of_even(cluster: Cluster) -> list[Path]:
    """Return the living jobs that are let go."""
    return [path for path in cluster.living_jobs() if _number(path) % 2 == 0]


def _number(job: Path) -> int:
    """Return the number that a job squares, as it has printed it; -1 if it has not."""
    output = job / "output"
    lines = output.read_text().splitlines() if output.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("number ")), -1)


def _problems(cluster: Cluster, width: int) -> list[str]:
    found: list[str] = []
    begun = Counter(cluster.journal())
    expected = {f"work {number} 0" for number in range(width)}
    found += [f"{line!r} {begun[line]} times" for line in sorted(expected) if begun[line] != 1]
    found += [f"{line!r}, which is another attempt" for line in sorted(set(begun) - expected)]
    jobs = cluster.job_directories()
    if len(jobs) != width + _FIXED_TASKS:
        found.append(f"{len(jobs)} jobs for {width + _FIXED_TASKS} tasks")
    found += [f"job {path.name} was left over" for path in cluster.living_jobs()]
    claims = cluster.claims()
    if claims != len(jobs):
        found.append(f"{claims} claims of {len(jobs)} jobs")
    found += [
        f"process {proc.pid} is left over: {proc.command}" for proc in wait_until_gone(cluster.mark, 10)
    ]
    return found


def main() -> int:
    """Kill, count, tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--width", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    failed = 0
    with ExitStack() as stack:
        aws = stack.enter_context(moto.moto_server())
        for number in range(asked.kills):
            root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            place = ("bucket, clean machine", "directory", "bucket, same machine")[number % 3]
            store = "" if place == "directory" else f"s3://{moto.make_bucket(aws)}/place"
            cluster = Cluster(root, store, aws)
            at = asked.width if number < 2 else chance.randint(0, asked.width)
            try:
                told = kill_a_scheduler(
                    cluster, width=asked.width, at=at, clean="clean" in place, patience_s=900
                )
            finally:
                cluster.clear_away()
            failed += bool(told.problems)
            sys.stdout.write(
                f"{number + 1}: {place}: killed with {told.in_flight} jobs in flight, {told.ended_meanwhile} ended "
                f"meanwhile: {'; '.join(told.problems) or '0 resubmitted, 0 lost, 0 orphans'}\n"
            )
            sys.stdout.flush()
    sys.stdout.write(f"{asked.kills} schedulers killed, {failed} runs went wrong\n")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
