"""`python -m tests.crash_points [--all] [--point before-commit-kill-self] [--number N]`: kill at enumerated points."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.crash_points.cases import POINTS, Outcome, Point, reference, survive
from tests.crash_points.choice import chosen_numbers


def main() -> int:
    """Kill at each chosen passage of each point; 0 if every run was recovered."""
    options = _options()
    directory = Path(tempfile.mkdtemp(prefix="asyncflow-crash-"))
    began = time.monotonic()
    expected = reference(directory / "reference")
    points = [point for point in POINTS if options.point in ("", str(point))]
    cases = chosen_numbers(directory, points, is_complete=options.all, only=options.number)

    faulty: list[str] = []

    def carry_out(case: tuple[Point, int]) -> bool:
        if len(faulty) >= options.most_faults:
            return False
        point, number = case
        outcome = survive(directory, point, number, expected)
        if outcome.faults:
            faulty.append(f"{point}, passage {number}")
            _tell(point, number, outcome, directory)
        return outcome.went_off

    with ThreadPoolExecutor(options.workers) as pool:
        kills = sum(pool.map(carry_out, cases))
    _say(
        f"{kills} kills at {len(points)} points, {len(faulty)} not recovered, {time.monotonic() - began:.0f} s"
    )
    if faulty or not kills:
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    return 0


def _tell(point: Point, number: int, outcome: Outcome, directory: Path) -> None:
    _say(f"FAULT at {point}, passage {number}; kept in {directory}")
    for fault in outcome.faults:
        _say(f"  - {fault[:3000]}")
    _say(f"  again: python -m tests.crash_points --point {point} --number {number}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash_points", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every passage, not only some of each point")
    parser.add_argument("--point", default="", choices=["", *map(str, POINTS)], help="only this point")
    parser.add_argument("--number", type=int, help="only this passage")
    parser.add_argument("--most-faults", type=int, default=10, help="stop after so many")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


sys.exit(main())
