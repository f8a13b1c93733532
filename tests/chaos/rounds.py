"""One round: a flow is started, killed as planned, resumed until it is done, and everything about it is checked."""

from __future__ import annotations

import shutil
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from asyncflow.machine.events import AttemptLaunched, AttemptSucceeded, RunFinished
from tests.chaos.commands import Invocation, Workplace
from tests.chaos.journal import living, read_journal
from tests.chaos.plan import Plan, Strike, Victim
from tests.chaos.processes import Proc, kill, kill_marked, tree_of
from tests.chaos.records import RunRecord
from tests.chaos.subject import Fault, Reference, Subject

__all__ = ["Report", "Round"]

_MOST_COMMANDS = 12


@dataclass(slots=True)
class Report:
    """What a round did and found."""

    plan: Plan
    kills: list[tuple[Victim, float]] = field(default_factory=list[tuple[Victim, float]])
    """Who was killed when (seconds since the epoch)."""
    resumes: list[float] = field(default_factory=list[float])
    """When each resuming command was started."""
    recoveries: list[float] = field(default_factory=list[float])
    """Seconds from the start of a resuming command to the first thing it launched or concluded."""
    healings: list[float] = field(default_factory=list[float])
    """Seconds from the death of a zygote to the next launch."""
    unborn: int = 0
    """Commands killed before their run was recorded."""
    faults: list[str] = field(default_factory=list[str])
    commands: list[str] = field(default_factory=list[str])
    """What was done, for a reader of a fault."""


class Round:
    """Carries out one plan.

    Args:
        plan: What to do.
        reference: What must come out.
        directory: An empty directory of the round's own.
        shared: The store that rounds with `is_shared` use together.
    """

    def __init__(self, plan: Plan, reference: Reference, directory: Path, shared: Path) -> None:
        self.report = Report(plan)
        self._plan = plan
        self._reference = reference
        self._place = Workplace.make(directory, home=shared if plan.is_shared else None)
        self._subject = Subject(self._place)
        self._strikes = list(plan.strikes)
        self._marks: list[str] = []

    def run(self) -> Report:
        """Do it; a fault is in the report, and then the directory stays."""
        try:
            self._until_done()
            self._check()
        except Fault as fault:
            self.report.faults.append(str(fault))
        except Exception:  # a check that cannot even read the store is a finding
            self.report.faults.append(traceback.format_exc())
        finally:
            for mark in self._marks:
                kill_marked(mark)
            for entry in living(read_journal(self._place.journal)):
                kill(entry.pid)
        if not self.report.faults:
            shutil.rmtree(self._place.root, ignore_errors=True)
        return self.report

    def _until_done(self) -> None:
        invocation = self._start()
        for _ in range(_MOST_COMMANDS):
            died_at = self._strike_while_running(invocation)
            ended = invocation.wait()
            status = self._subject.after_end(ended) if died_at is None else self._after_death(died_at)
            self.report.commands.append(f"the run is {status}")
            if status == "succeeded":
                return
            self.report.unborn += status == "unborn"
            invocation = self._start() if status == "unborn" else self._resume()
            if died_at is not None and self._plan.is_hasty:
                self._subject.expect_gone(self._marks[-2], died_at)
        raise Fault(f"not done after {_MOST_COMMANDS} commands")

    def _after_death(self, died_at: float) -> str:
        if not self._plan.is_hasty:
            self._subject.expect_gone(self._marks[-1], died_at)
        return self._subject.after_death(is_hasty=self._plan.is_hasty)

    def _start(self) -> Invocation:
        self._subject.run_id_file.unlink(missing_ok=True)
        run_id_file = str(self._subject.run_id_file)
        return self._begin(
            "run", str(self._plan.shape.file), "--run-id-file", run_id_file, *self._plan.options
        )

    def _resume(self) -> Invocation:
        self.report.resumes.append(time.time())
        return self._begin("resume", str(self._subject.run))

    def _begin(self, *args: str) -> Invocation:
        invocation = self._place.start(*args)
        self._marks.append(invocation.mark)
        self.report.commands.append(f"asyncflow {' '.join(args)}   # {invocation.mark}")
        return invocation

    def _strike_while_running(self, invocation: Invocation) -> float | None:
        """Carry out strikes until one hits the scheduler (its time), or none is left, or the command ends (None)."""
        while self._strikes and invocation.is_running:
            strike = self._strikes[0]
            if not (
                _wait_for(invocation, self._moment_of(invocation, strike)) and self._hit(invocation, strike)
            ):
                break
            self._strikes.pop(0)
            self.report.kills.append((strike.victim, time.time()))
            self.report.commands.append(f"kill -9 {strike.victim}   # {strike.when:.3f}")
            if strike.victim is Victim.SCHEDULER:
                return time.time()
        return None

    def _moment_of(self, invocation: Invocation, strike: Strike) -> float:
        if strike.when < 0:
            return time.monotonic() - strike.when * self._reference.start_s
        run_id_file = None if self._subject.chain else self._subject.run_id_file
        return invocation.wait_for_birth(run_id_file) + strike.when * self._reference.work_s

    def _hit(self, invocation: Invocation, strike: Strike) -> bool:
        """Kill the victim as soon as there is one; False when the command ended before."""
        if strike.victim is Victim.SCHEDULER:
            invocation.process.kill()
            return invocation.process.wait(10) == -9
        while invocation.is_running:
            victims = _victims(invocation, strike.victim)
            if victims and kill(victims[int(strike.pick * len(victims))].pid):
                self._subject.may_fail |= strike.victim is Victim.TASK and not self._plan.heals
                return True
            time.sleep(0.003)
        return False

    def _check(self) -> None:
        self._subject.expect_gone(self._marks[-1], time.time())
        # A store of many runs takes doctor long: every eighth round in it, and the end, have it looked at.
        doctor = not self._plan.is_shared or self._plan.seed % 8 == 0
        varying = self._plan.shape.varying
        self.report.faults += self._subject.faults(self._reference, varying=varying, doctor=doctor)
        self._measure(self._subject.records())

    def _measure(self, chain: list[RunRecord]) -> None:
        moments = sorted(
            event.at for record in chain for _, event in record.events if isinstance(event, _PROGRESS)
        )
        deaths = [at for victim, at in self.report.kills if victim is Victim.ZYGOTE]
        self.report.recoveries = _delays(self.report.resumes, moments)
        self.report.healings = _delays(deaths, moments)


_PROGRESS = AttemptLaunched | AttemptSucceeded | RunFinished


def _wait_for(invocation: Invocation, moment: float) -> bool:
    """Wait for a moment; False when the command ended before."""
    while (left := moment - time.monotonic()) > 0:
        if not invocation.is_running:
            return False
        time.sleep(min(left, 0.02))
    return invocation.is_running


def _victims(invocation: Invocation, victim: Victim) -> tuple[Proc, ...]:
    tree = tree_of(invocation.pid, invocation.mark)
    return tree.zygotes if victim is Victim.ZYGOTE else tree.tasks


def _delays(starts: list[float], moments: list[float]) -> list[float]:
    """Return the time from each start to the first moment after it; starts without one are left out."""
    found = [next((at - start for at in moments if at >= start), None) for start in starts]
    return [delay for delay in found if delay is not None]
