"""One kill at one passage of one point, and what must hold after the resume."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.commands import Workplace
from tests.chaos.processes import kill_marked
from tests.chaos.subject import Fault, Reference, Subject, reference_of
from tests.crash_points.launcher import read_counter

__all__ = ["FLOW", "POINTS", "Outcome", "Point", "passages", "reference", "survive"]

FLOW = Path(__file__).with_name("flows") / "small.py"
LAUNCHER = Path(__file__).with_name("launcher.py")
_MOST_COMMANDS = 4


@dataclass(frozen=True, slots=True)
class Point:
    """Where a bomb lies, and whom it kills."""

    name: str
    when: str
    victim: str

    def __str__(self) -> str:
        return f"{self.when}-{self.name}-kill-{self.victim}"


def _points() -> tuple[Point, ...]:
    table = {
        "commit": ("self", "zygote"),
        "launch": ("self", "zygote"),
        "perform": ("self",),
        "publish": ("self",),
        "fact": ("self", "zygote"),
        "fork": ("self", "scheduler"),
        "ack": ("self", "scheduler"),
        "report": ("self", "scheduler", "zygote"),
        "blob": ("self", "scheduler", "zygote"),
        "manifest": ("self", "scheduler", "zygote"),
    }
    return tuple(
        Point(name, when, victim)
        for name, victims in table.items()
        for victim in victims
        for when in ("before", "after")
    )


POINTS = _points()
IN_TASKS = ("report", "blob", "manifest")
"""Passed by tasks: one that is killed itself fails as its step's rules say, and a new run takes over its work."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a case showed."""

    went_off: bool
    """False: the flow passes the point less often than that."""
    commands: int
    faults: list[str]


def reference(directory: Path) -> Reference:
    """Return what an undisturbed run leaves."""
    return reference_of(FLOW, directory)


def passages(directory: Path) -> dict[tuple[str, str], int]:
    """Count how often an undisturbed run passes each point, before and after."""
    place = _place(directory / "count", POINTS[0], 0)
    ended = place.run(*_run(place), program=(sys.executable, str(LAUNCHER)))
    assert ended.code == 0, ended.text[-3000:]
    return _counter(place)[0]


def survive(directory: Path, point: Point, number: int, expected: Reference) -> Outcome:
    """Kill at the `number`-th passage, resume, check. Leaves nothing if all is well."""
    place = _place(directory / f"{point}-{number}", point, number)
    subject = Subject(place, may_fail=point.victim == "self" and point.name in IN_TASKS)
    commands, faults = 0, list[str]()
    try:
        commands = _until_done(place, subject)
        if _counter(place)[1]:
            faults = subject.faults(expected, doctor=number % 7 == 1)
    except Fault as fault:
        faults = [str(fault)]
    outcome = Outcome(_counter(place)[1], commands, faults)
    if not faults:
        shutil.rmtree(place.root)
    return outcome


def _until_done(place: Workplace, subject: Subject) -> int:
    invocation = place.start(*_run(place), program=(sys.executable, str(LAUNCHER)))
    try:
        for number in range(1, _MOST_COMMANDS + 1):
            ended = invocation.wait(60)
            if ended.code == -9:
                subject.expect_gone(invocation.mark, time.time())
            status = subject.after_death() if ended.code == -9 else subject.after_end(ended)
            if status == "succeeded":
                return number
            subject.expect_gone(invocation.mark, time.time())
            again = _run(place) if status == "unborn" else ("resume", str(subject.run))
            invocation = place.start(*again)
    finally:
        kill_marked(invocation.mark)
    raise Fault(f"not done after {_MOST_COMMANDS} commands")


def _run(place: Workplace) -> tuple[str, ...]:
    return ("run", str(FLOW), "--run-id-file", str(place.root / "run-id"), "--max-workers", "2")


def _place(directory: Path, point: Point, number: int) -> Workplace:
    return Workplace.make(
        directory,
        CRASH_POINT=point.name,
        CRASH_WHEN=point.when,
        CRASH_NUMBER=str(number),
        CRASH_VICTIM=point.victim,
        CRASH_COUNTER=str(directory / "counter"),
    )


def _counter(place: Workplace) -> tuple[dict[tuple[str, str], int], bool]:
    path = place.root / "counter"
    return read_counter(path.read_bytes()) if path.exists() else ({}, False)
