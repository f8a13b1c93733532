"""How jobs are named, so that they are found again by their names alone, and what tags they carry. Pure.

A job's name says whose it is, and of which attempts:

    af-<owner>-<run>-s<task>-<attempt>-<step>                         one attempt
    af-<owner>-<run>-a<task>-<attempt>-<count>-<digest>-<step>        an array
    af-<owner>-<run>-g<task>-<attempt>-<count>-<digest>-<step>        a gang

Most arrays are of tasks that follow each other in the same attempt; their digest is `r`. Of others the name has a
digest of the attempts, and a parameter of the job tells them all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from asyncflow.backends.remote.platform import Job
from asyncflow.machine.ids import Attempt

__all__ = [
    "ARRAY",
    "ATTEMPTS_PARAMETER",
    "GANG",
    "LONGEST_ATTEMPTS",
    "ONE",
    "JobName",
    "Kind",
    "attempts_of",
    "attempts_text",
    "job_name",
    "legal_tag",
    "parse_job_name",
    "prefix_of",
    "tags_of",
]

ATTEMPTS_PARAMETER = "asyncflow_attempts"
"""The job's parameter that tells its attempts, in the order of its children."""
LONGEST_ATTEMPTS = 8_000
"""Characters of it. A submission may have 30 KiB in all."""

_LONGEST_NAME = 128
_PREFIX = "af"
_ILLEGAL_IN_NAME = re.compile(r"[^A-Za-z0-9_-]")
_ILLEGAL_IN_TAG = re.compile(r"[^A-Za-z0-9 _.:/=+@-]")
_ONE = re.compile(r"(?P<owner>[^-]+)-(?P<run>\d+)-s(?P<task>\d+)-(?P<number>\d+)(?:-.*)?")
_MANY = re.compile(
    r"(?P<owner>[^-]+)-(?P<run>\d+)-(?P<kind>[ag])(?P<task>\d+)-(?P<number>\d+)-(?P<count>\d+)-(?P<digest>\w+)(?:-.*)?"
)
_RANGE = "r"


class Kind(NamedTuple):
    """What a job of AWS Batch is."""

    letter: str
    separator: str
    """Between the id of the job and the number of a child."""


ONE = Kind("s", "")
ARRAY = Kind("a", ":")
GANG = Kind("g", "#")
_KINDS = {kind.letter: kind for kind in (ONE, ARRAY, GANG)}


class JobName(NamedTuple):
    """What a name tells."""

    owner: str
    run: int
    kind: Kind
    first: Attempt
    size: int
    """How many attempts."""
    is_range: bool
    """The tasks follow each other, in the same attempt; else a parameter tells which they are."""

    def attempts(self) -> tuple[Attempt, ...]:
        """Return the attempts of a range."""
        return tuple(Attempt(self.first.task + at, self.first.number) for at in range(self.size))


def prefix_of(owner: str, run: int | None = None) -> str:
    """Return what the names of a store's jobs begin with, or those of one of its runs."""
    return f"{_PREFIX}-{owner}-" if run is None else f"{_PREFIX}-{owner}-{run}-"


def job_name(kind: Kind, jobs: Sequence[Job]) -> str:
    """Name the job that carries out these, always the same."""
    first = jobs[0]
    head = f"{prefix_of(first.owner, first.run)}{kind.letter}{first.attempt.task}-{first.attempt.number}"
    if kind is not ONE:
        head = f"{head}-{len(jobs)}-{_digest([job.attempt for job in jobs])}"
    return f"{head}-{_ILLEGAL_IN_NAME.sub('_', first.step)}"[:_LONGEST_NAME]


def parse_job_name(name: str) -> JobName | None:
    """Read a name; None: it is none of ours."""
    ours, _, rest = name.partition("-")
    if ours != _PREFIX:
        return None
    found = _ONE.fullmatch(rest) or _MANY.fullmatch(rest)
    if found is None:
        return None
    told = found.groupdict()
    return JobName(
        owner=told["owner"],
        run=int(told["run"]),
        kind=_KINDS[told.get("kind") or ONE.letter],
        first=Attempt(int(told["task"]), int(told["number"])),
        size=int(told.get("count") or 1),
        is_range=told.get("digest") in (None, _RANGE),
    )


def attempts_text(attempts: Sequence[Attempt]) -> str:
    """Write attempts down in their order, ranges in short: `5-104.0,200.1`."""
    parts: list[str] = []
    at = 0
    while at < len(attempts):
        first = attempts[at]
        length = 1
        while at + length < len(attempts) and attempts[at + length] == (first.task + length, first.number):
            length += 1
        span = f"{first.task}-{first.task + length - 1}" if length > 1 else str(first.task)
        parts.append(f"{span}.{first.number}")
        at += length
    return ",".join(parts)


def attempts_of(text: str) -> tuple[Attempt, ...]:
    """Read what `attempts_text` wrote. Raises ValueError."""
    found: list[Attempt] = []
    for part in text.split(","):
        span, _, number = part.partition(".")
        first, _, last = span.partition("-")
        found += [Attempt(task, int(number)) for task in range(int(first), int(last or first) + 1)]
    return tuple(found)


def tags_of(kind: Kind, jobs: Sequence[Job]) -> dict[str, str]:
    """Return the tags by which people and bills tell jobs apart."""
    first = jobs[0]
    told = {
        "flow": first.flow,
        "run": str(first.run),
        "step": first.step,
        "task": str(first.attempt.task),
        "attempt": str(first.attempt.number),
        "owner": first.owner,
        "user": first.user,
    }
    if kind is not ONE:
        told["task"] = attempts_text([job.attempt for job in jobs])
        told["attempt"] = " ".join(map(str, sorted({job.attempt.number for job in jobs})))
    return {f"asyncflow/{name}": legal_tag(value) for name, value in told.items()}


def legal_tag(value: str) -> str:
    """Return a value that a tag may have."""
    return _ILLEGAL_IN_TAG.sub("_", value)[:256]


def _digest(attempts: Sequence[Attempt]) -> str:
    first = attempts[0]
    if all(attempt == (first.task + at, first.number) for at, attempt in enumerate(attempts)):
        return _RANGE
    return blake2b(attempts_text(attempts).encode(), digest_size=6).hexdigest()
