"""One round: a flow is started, killed as planned, resumed until it is done, and everything about it is checked."""

from __future__ import annotations

import json
import shutil
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from asyncflow.machine.events import AttemptLaunched, AttemptSucceeded, RunFinished
from tests.chaos import checks
from tests.chaos.commands import Ended, Invocation, Workplace
from tests.chaos.journal import living, read_journal
from tests.chaos.plan import Plan, Strike, Victim
from tests.chaos.processes import Proc, kill, kill_marked, tree_of, wait_until_gone
from tests.chaos.records import Place, RunRecord, integrity, read_results, read_run, run_ids

__all__ = ["ORPHAN_S", "Reference", "Report", "Round", "reference_of"]

ORPHAN_S = 2.0
"""How long after a death its offspring may live, seconds."""
_MOST_RESUMES = 12


@dataclass(frozen=True, slots=True)
class Reference:
    """What an undisturbed run leaves, and how long it takes."""

    results: dict[Place, dict[str, str]]
    seconds: float


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
    seconds: float = 0.0


class Fault(Exception):
    """Something that must not happen happened; the round cannot go on."""


def reference_of(plan: Plan, directory: Path) -> Reference:
    """Run the plan's flow undisturbed and keep what it leaves. Raises Fault if even that does not work."""
    place = Workplace.make(directory)
    ended = place.run("run", str(plan.shape.file))
    if ended.code != 0:
        raise Fault(f"an undisturbed run of {plan.shape.name} exits {ended.code}\n{ended.text[-3000:]}")
    record = read_run(place.home, run_ids(place.home)[0])
    results = read_results(place.home, record, varying=plan.shape.varying)
    shutil.rmtree(directory)
    return Reference(results, ended.seconds)


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
        self._directory = directory
        self._place = Workplace.make(directory, home=shared if plan.is_shared else None)
        self._strikes = list(plan.strikes)
        self._marks: list[str] = []
        self._chain: list[int] = []
        self._task_was_killed = False

    def run(self) -> Report:
        """Do it; a fault is in the report, and then the directory stays."""
        began = time.monotonic()
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
        self.report.seconds = time.monotonic() - began
        if not self.report.faults:
            shutil.rmtree(self._directory, ignore_errors=True)
        return self.report

    # Killing and resuming

    def _until_done(self) -> None:
        invocation = self._start()
        for _ in range(_MOST_RESUMES):
            strike, killed = self._strike_while_running(invocation)
            ended = invocation.wait()
            if killed:
                status = self._after_death(invocation, strike)
            else:
                status = self._after_end(ended)
            if status == "succeeded":
                return
            again = time.time()
            invocation = self._start() if status == "unborn" else self._resume()
            if killed and self._plan.is_hasty:
                self._expect_gone(self._marks[-2], again)
        raise Fault(f"not done after {_MOST_RESUMES} commands")

    def _start(self) -> Invocation:
        run_id_file = self._directory / "run-id"
        run_id_file.unlink(missing_ok=True)
        return self._begin(
            "run", str(self._plan.shape.file), "--run-id-file", str(run_id_file), *self._plan.options
        )

    def _resume(self) -> Invocation:
        self.report.resumes.append(time.time())
        return self._begin("resume", str(self._chain[-1]))

    def _begin(self, *args: str) -> Invocation:
        invocation = self._place.start(*args)
        self._marks.append(invocation.mark)
        self.report.commands.append(f"asyncflow {' '.join(args)}   # {invocation.mark}")
        return invocation

    def _strike_while_running(self, invocation: Invocation) -> tuple[Strike | None, bool]:
        """Carry out strikes until one hits the scheduler (True), or there are none, or the command ends."""
        strike = None
        while self._strikes and invocation.is_running:
            strike = self._strikes[0]
            if not self._wait_for(invocation, time.monotonic() + strike.when * self._reference.seconds):
                break
            if not self._hit(invocation, strike):
                break
            self._strikes.pop(0)
            self.report.kills.append((strike.victim, time.time()))
            self.report.commands.append(f"kill -9 {strike.victim}   # {strike.when:.3f}")
            if strike.victim is Victim.SCHEDULER:
                return strike, True
        return strike, False

    @staticmethod
    def _wait_for(invocation: Invocation, moment: float) -> bool:
        while (left := moment - time.monotonic()) > 0:
            if not invocation.is_running:
                return False
            time.sleep(min(left, 0.02))
        return invocation.is_running

    def _hit(self, invocation: Invocation, strike: Strike) -> bool:
        """Kill the victim as soon as there is one; False when the command ended before."""
        if strike.victim is Victim.SCHEDULER:
            invocation.process.kill()
            return invocation.process.wait(10) == -9
        while invocation.is_running:
            victims = self._victims(invocation, strike.victim)
            if victims and self._kill(victims[int(strike.pick * len(victims))], strike.victim):
                return True
            time.sleep(0.003)
        return False

    @staticmethod
    def _victims(invocation: Invocation, victim: Victim) -> tuple[Proc, ...]:
        tree = tree_of(invocation.pid, invocation.mark)
        return tree.zygotes if victim is Victim.ZYGOTE else tree.tasks

    def _kill(self, proc: Proc, victim: Victim) -> bool:
        if not kill(proc.pid):
            return False
        self._task_was_killed |= victim is Victim.TASK
        return True

    # After each command

    def _after_death(self, invocation: Invocation, strike: Strike | None) -> str:
        if not self._plan.is_hasty:
            self._expect_gone(invocation.mark, time.time())
        if not self._find_run():
            self.report.unborn += 1
            return "unborn"
        status = self._status_in_log() if self._plan.is_hasty else self._status()
        if status not in ("interrupted", "succeeded", "failed"):
            raise Fault(f"the scheduler of run {self._chain[-1]} is dead and `runs` says {status}")
        if status == "failed":
            self._expect_failure_is_due()
        return status

    def _after_end(self, ended: Ended) -> str:
        if not self._find_run():
            raise Fault(f"a command exits {ended.code} and left no run\n{ended.text[-3000:]}")
        status = self._status()
        if ended.code == 0 and status == "succeeded":
            return status
        if ended.code == 1 and status == "failed":
            self._expect_failure_is_due(ended)
            return status
        raise Fault(
            f"run {self._chain[-1]} is {status}, and its command exits {ended.code}\n{ended.text[-3000:]}"
        )

    def _expect_failure_is_due(self, ended: Ended | None = None) -> None:
        if self._task_was_killed and not self._plan.heals:
            return
        text = ended.text[-3000:] if ended else ""
        raise Fault(f"run {self._chain[-1]} failed, and nothing was done to it that it must not bear\n{text}")

    def _find_run(self) -> bool:
        """Find the run this round is about: the one named by the run id file, or that took over its work."""
        if not self._place.home.joinpath("asyncflow.db").exists():
            return False
        known = run_ids(self._place.home)
        if not self._chain:
            named = self._directory / "run-id"
            text = named.read_text().strip() if named.exists() else ""
            if not text or int(text) not in known:
                return False
            self._chain.append(int(text))
        for run in known:
            if run > self._chain[-1] and read_run(self._place.home, run).origin_run == self._chain[-1]:
                self._chain.append(run)
        return True

    def _status(self) -> str:
        ended = self._place.run("runs", "--json")
        if ended.code != 0:
            raise Fault(f"`asyncflow runs --json` exits {ended.code}\n{ended.text[-2000:]}")
        status = status_of(ended.stdout, self._chain[-1])
        self.report.commands.append(f"run {self._chain[-1]} is {status}")
        return status

    def _status_in_log(self) -> str:
        return read_run(self._place.home, self._chain[-1]).status or "interrupted"

    def _expect_gone(self, mark: str, since: float) -> None:
        left = wait_until_gone(mark, max(0.0, since + ORPHAN_S - time.time()))
        if left:
            names = ", ".join(f"{proc.pid} (child of {proc.parent}): {proc.command}" for proc in left)
            raise Fault(f"orphans {ORPHAN_S:g} s after the scheduler's death: {names}")

    # At the end

    def _check(self) -> None:
        home, faults = self._place.home, self.report.faults
        journal = read_journal(self._place.journal)
        self._expect_gone(self._marks[-1], time.time())
        faults += [f"a process of {entry.step} lives on: {entry.pid}" for entry in living(journal)]
        chain = [read_run(home, run) for run in self._chain]
        final = read_results(home, chain[-1], varying=self._plan.shape.varying)
        faults += checks.different_results(self._reference.results, final)
        for record in chain:
            faults += checks.log_faults(record)
        faults += checks.rerun_tasks(home, chain, journal)
        faults += checks.stray_files(home)
        if (found := integrity(home)) != "ok":
            faults.append(f"SQLite finds the database damaged: {found[:500]}")
        self._ask_doctor()
        self._measure(chain)

    def _ask_doctor(self) -> None:
        if self._plan.is_shared and self._plan.seed % 8:
            return  # a store of many runs takes long; every eighth round, and the end, look at it
        ended = self._place.run("doctor")
        if ended.code != 0:
            self.report.faults.append(f"`asyncflow doctor` exits {ended.code}\n{ended.text[-2000:]}")

    def _measure(self, chain: list[RunRecord]) -> None:
        moments = sorted(
            event.at for record in chain for _, event in record.events if isinstance(event, _PROGRESS)
        )
        deaths = [at for victim, at in self.report.kills if victim is Victim.ZYGOTE]
        self.report.recoveries = _delays(self.report.resumes, moments)
        self.report.healings = _delays(deaths, moments)


_PROGRESS = AttemptLaunched | AttemptSucceeded | RunFinished


def _delays(starts: list[float], moments: list[float]) -> list[float]:
    """Return the time from each start to the first moment after it; starts without one are left out."""
    found = [next((at - start for at in moments if at >= start), None) for start in starts]
    return [delay for delay in found if delay is not None]


def status_of(text: str, run: int) -> str:
    """Find a run's status in what `asyncflow runs --json` wrote."""
    rows = json.loads(text)
    return next((str(row["status"]) for row in rows if row["run"] == run), "missing")
