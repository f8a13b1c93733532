"""The run under test from outside: which one it is by now, what `runs` says of it, what must hold at its end."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import checks
from tests.chaos.commands import Ended, Workplace
from tests.chaos.journal import living, read_journal
from tests.chaos.processes import wait_until_gone
from tests.chaos.records import Place, RunRecord, integrity, read_results, read_run, run_ids

__all__ = ["ORPHAN_S", "Fault", "Reference", "Subject", "reference_of"]

ORPHAN_S = 2.0
"""How long after a death its offspring may live, seconds."""


class Fault(Exception):
    """Something that must not happen happened; the round cannot go on."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What an undisturbed run leaves, and how long it takes."""

    results: dict[Place, dict[str, str]]
    start_s: float
    """From the start of the command until the run has an id, seconds."""
    work_s: float
    """From there to the end, seconds."""


def reference_of(
    flow: Path, directory: Path, *, varying: tuple[str, ...] = (), options: tuple[str, ...] = ()
) -> Reference:
    """Run a flow undisturbed and keep what it leaves. Raises Fault if even that does not work."""
    place = Workplace.make(directory)
    run_id_file = place.root / "run-id"
    invocation = place.start("run", str(flow), "--run-id-file", str(run_id_file), *options)
    begin = time.monotonic()
    born = invocation.wait_for_birth(run_id_file)
    ended = invocation.wait()
    if ended.code != 0:
        raise Fault(f"an undisturbed run of {flow.name} exits {ended.code}\n{ended.text[-3000:]}")
    record = read_run(place.home, run_ids(place.home)[0])
    results = read_results(place.home, record, varying=varying)
    return Reference(results, born - begin, begin + ended.seconds - born)


@dataclass(slots=True)
class Subject:
    """One run, and those that took over its work, in one workplace."""

    place: Workplace
    may_fail: bool = False
    """Whether something was done to it that its own rules do not bring it through."""
    chain: list[int] = field(default_factory=list[int])
    """Ids of the run, and of the runs that resumed it."""

    @property
    def run_id_file(self) -> Path:
        """Where `run` writes the id."""
        return self.place.root / "run-id"

    @property
    def run(self) -> int:
        """The run it is about by now."""
        return self.chain[-1]

    def find(self) -> bool:
        """Find the run: the one named by the run id file, or that took over its work. False: it is not recorded."""
        if not self.place.home.joinpath("asyncflow.db").exists():
            return False
        known = run_ids(self.place.home)
        if not self.chain:
            text = self.run_id_file.read_text().strip() if self.run_id_file.exists() else ""
            if not text or int(text) not in known:
                return False
            self.chain.append(int(text))
        for run in known:
            if run > self.run and read_run(self.place.home, run).origin_run == self.run:
                self.chain.append(run)
        return True

    def status(self) -> str:
        """Return what `asyncflow runs --json` says of the run."""
        ended = self.place.run("runs", "--json")
        if ended.code != 0:
            raise Fault(f"`asyncflow runs --json` exits {ended.code}\n{ended.text[-2000:]}")
        rows = json.loads(ended.stdout)
        return next((str(row["status"]) for row in rows if row["run"] == self.run), "missing")

    def status_in_log(self) -> str:
        """Return what the events say of the run, for when there is no time to ask."""
        return read_run(self.place.home, self.run).status or "interrupted"

    def after_death(self, *, is_hasty: bool = False) -> str:
        """Say where the run is after its scheduler was killed: unborn, interrupted, succeeded, failed."""
        if not self.find():
            self._expect_listable()
            return "unborn"
        status = self.status_in_log() if is_hasty else self.status()
        if status not in ("interrupted", "succeeded", "failed"):
            raise Fault(f"the scheduler of run {self.run} is dead and `runs` says {status}")
        if status == "failed":
            self._expect_due("")
        return status

    def after_end(self, ended: Ended) -> str:
        """Say where the run is after its command ended by itself: succeeded, failed."""
        if not self.find():
            raise Fault(f"a command exits {ended.code} and left no run\n{ended.text[-3000:]}")
        status = self.status()
        if ended.code == 1 and status == "failed":
            self._expect_due(ended.text[-3000:])
        elif not (ended.code == 0 and status == "succeeded"):
            raise Fault(
                f"run {self.run} is {status}, and its command exits {ended.code}\n{ended.text[-3000:]}"
            )
        return status

    def expect_gone(self, mark: str, since: float) -> None:
        """Wait until nothing of a command lives. Raises Fault if something does `ORPHAN_S` after `since`."""
        left = wait_until_gone(mark, max(0.0, since + ORPHAN_S - time.time()))
        if left:
            names = ", ".join(f"{proc.pid} (child of {proc.parent}): {proc.command}" for proc in left)
            raise Fault(f"orphans {ORPHAN_S:g} s after the scheduler's death: {names}")

    def records(self) -> list[RunRecord]:
        """Read all runs of the chain."""
        return [read_run(self.place.home, run) for run in self.chain]

    def faults(self, expected: Reference, *, varying: tuple[str, ...] = (), doctor: bool = True) -> list[str]:
        """Check everything that must hold once the run has succeeded; return what does not."""
        home = self.place.home
        journal, chain = read_journal(self.place.journal), self.records()
        found = [f"a process of {entry.step} lives on: {entry.pid}" for entry in living(journal)]
        found += checks.different_results(expected.results, read_results(home, chain[-1], varying=varying))
        for record in chain:
            found += checks.log_faults(record)
        found += checks.rerun_tasks(home, chain, journal)
        found += checks.stray_files(home)
        if (answer := integrity(home)) != "ok":
            found.append(f"SQLite finds the database damaged: {answer[:500]}")
        if doctor and (ended := self.place.run("doctor", "--thorough")).code != 0:
            found.append(f"`asyncflow doctor` exits {ended.code}\n{ended.text[-2000:]}")
        return found

    def _expect_listable(self) -> None:
        ended = self.place.run("runs")
        if ended.code not in (0, 1, 2) or "bug in asyncflow" in ended.text:
            raise Fault(
                f"`asyncflow runs` of a store that has just begun exits {ended.code}\n{ended.text[-2000:]}"
            )

    def _expect_due(self, text: str) -> None:
        if not self.may_fail:
            raise Fault(f"run {self.run} failed, and nothing was done to it that it must not bear\n{text}")
