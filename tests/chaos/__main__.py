"""`python -m tests.chaos [--kills N] [--seed N] [--minutes M] [--workers 2] [--shape NAME] [--replay ROUND]`."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.commands import Workplace
from tests.chaos.plan import Plan, Victim, plan_of
from tests.chaos.rounds import Report, Round
from tests.chaos.shapes import SHAPES, Shape
from tests.chaos.subject import Reference, reference_of

_SPREAD = 1_000_003
"""Seeds of rounds are this far apart, so that two sessions with neighbouring seeds share none."""


def main() -> int:
    """Kill and resume until enough was killed; 0 if nothing was found."""
    options = _options()
    directory = Path(tempfile.mkdtemp(prefix="asyncflow-chaos-"))
    session = Session(options, directory)
    try:
        session.run()
    except KeyboardInterrupt:
        _say("stopped by hand")
    session.close()
    session.tell()
    if session.code == 0:
        shutil.rmtree(directory, ignore_errors=True)
    return session.code


@dataclass(slots=True)
class Session:
    """All rounds of one command."""

    options: argparse.Namespace
    directory: Path
    reports: list[Report] = field(default_factory=list[Report])
    references: dict[str, Reference] = field(default_factory=dict[str, Reference])
    began: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing_faults: list[str] = field(default_factory=list[str])

    @property
    def shared(self) -> Path:
        """The store that some rounds use together."""
        return self.directory / "shared"

    @property
    def kills(self) -> int:
        """How many processes were killed."""
        return sum(len(report.kills) for report in self.reports)

    @property
    def failed(self) -> list[Report]:
        """Rounds that found something."""
        return [report for report in self.reports if report.faults]

    def run(self) -> None:
        """Carry out rounds until enough was killed, the time is over, or too much is wrong."""
        seeds = iter(self._seeds())
        running: set[Future[Report]] = set()
        with ThreadPoolExecutor(self.options.workers) as pool:
            while True:
                while len(running) < self.options.workers and not self._is_enough():
                    seed = next(seeds, None)
                    if seed is None:
                        break
                    running.add(pool.submit(self._round, seed))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    self._take(future.result())

    def _seeds(self) -> list[int]:
        if self.options.replay is not None:
            return [self.options.replay]
        return [self.options.seed * _SPREAD + number for number in range(20 * self.options.kills + 20)]

    def _is_enough(self) -> bool:
        out_of_time = time.monotonic() - self.began > 60 * self.options.minutes
        return self.kills >= self.options.kills or out_of_time or len(self.failed) >= self.options.most_faults

    def _round(self, seed: int) -> Report:
        plan = plan_of(seed, _shapes(self.options.shape))
        reference = self._reference(plan)
        return Round(plan, reference, self.directory / f"round-{seed}", self.shared).run()

    def _reference(self, plan: Plan) -> Reference:
        with self.lock:
            if plan.shape.name not in self.references:
                directory = self.directory / f"reference-{plan.shape.name}"
                self.references[plan.shape.name] = reference_of(
                    plan.shape.file, directory, varying=plan.shape.varying
                )
            return self.references[plan.shape.name]

    def _take(self, report: Report) -> None:
        self.reports.append(report)
        if report.faults:
            _say(f"\nFAULT in round {report.plan.seed} ({report.plan.shape.name}):")
            for line in report.commands:
                _say(f"    $ {line}")
            for fault in report.faults[:8]:
                _say(f"  - {fault}")
            _say(f"  kept: {self.directory / f'round-{report.plan.seed}'}")
            _say(f"  replay: python -m tests.chaos {self._shape_options()}--replay {report.plan.seed}\n")
        elif len(self.reports) % 20 == 0:
            _say(f"{len(self.reports)} rounds, {self.kills} kills, {time.monotonic() - self.began:.0f} s")

    def _shape_options(self) -> str:
        return "".join(f"--shape {name} " for name in self.options.shape)

    def close(self) -> None:
        """Look at the shared store as a whole."""
        if not self.shared.joinpath("asyncflow.db").exists():
            return
        ended = Workplace.make(self.directory, home=self.shared).run("doctor", timeout_s=300)
        if ended.code != 0:
            self.closing_faults.append(
                f"`asyncflow doctor` of the shared store exits {ended.code}\n{ended.text}"
            )

    def tell(self) -> None:
        """Write the figures."""
        victims = [victim for report in self.reports for victim, _ in report.kills]
        recoveries = [delay for report in self.reports for delay in report.recoveries]
        healings = [delay for report in self.reports for delay in report.healings]
        by_victim = ", ".join(f"{victims.count(victim)} {victim}" for victim in Victim)
        shapes = dict.fromkeys(report.plan.shape.name for report in self.reports)
        _say(
            f"rounds            {len(self.reports)} over {len(shapes)} flows, {time.monotonic() - self.began:.0f} s"
        )
        _say(f"kill -9           {len(victims)}: {by_victim}")
        _say(f"resumes           {sum(len(report.resumes) for report in self.reports)}")
        _say(
            f"unborn            {sum(report.unborn for report in self.reports)} killed before the run was recorded"
        )
        _say(f"resume to work    {_percentiles(recoveries)}")
        _say(f"zygote to work    {_percentiles(healings)}")
        if self.options.replay is None and self.kills < self.options.kills:
            _say(f"                  of {self.options.kills} asked for: out of time, or too much is wrong")
        for fault in self.closing_faults:
            _say(f"  - {fault}")
        _say(f"faulty rounds     {len(self.failed)}")
        for report in self.failed:
            _say(f"    {report.plan.seed} {report.plan.shape.name}")

    @property
    def code(self) -> int:
        """0 if enough was killed and nothing was found."""
        is_short = self.options.replay is None and self.kills < self.options.kills
        return 1 if self.failed or self.closing_faults or is_short else 0


def _percentiles(values: list[float]) -> str:
    if len(values) < 2:
        return f"{len(values)} measured"
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return f"p50 {cuts[49]:.3f} s, p99 {cuts[98]:.3f} s, longest {max(values):.3f} s ({len(values)} measured)"


def _shapes(names: list[str]) -> tuple[Shape, ...]:
    return tuple(shape for shape in SHAPES if not names or shape.name in names)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="how many processes to kill")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--minutes", type=float, default=60.0, help="longest duration")
    parser.add_argument("--workers", type=int, default=2, help="rounds at the same time")
    parser.add_argument("--shape", action="append", default=[], choices=[shape.name for shape in SHAPES])
    parser.add_argument("--replay", type=int, help="one round, by its seed")
    parser.add_argument("--most-faults", type=int, default=10, help="stop after so many faulty rounds")
    options = parser.parse_args()
    _say(f"seed {options.seed}")
    return options


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


sys.exit(main())
