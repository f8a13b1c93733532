"""Asks the cluster for jobs, tells what happens to them, and ends them.

*Once.* Who opens a platform may follow a scheduler that died, and sbatch's answer may be lost. So before the first
request, and after each lost answer, the queue is searched for jobs that say they are this run's. Should there be two
for an attempt all the same, the younger one is cancelled; with a shared file system, it would end without running
anything.

*All at once.* One squeue tells of all jobs, ended ones included, which Slurm shows for a while (MinJobAge). Of a job
that is no longer shown, accounting tells, or the file that its script has left; else it is lost. The pause between two
looks grows while nothing happens, and with how long the cluster takes to answer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import NamedTuple

import anyio
import anyio.to_thread

from asyncflow.backends.remote.platform import (
    End,
    EndReason,
    Job,
    JobSeen,
    Phase,
    PlatformCapabilities,
    Refused,
)
from asyncflow.errors import PlatformError
from asyncflow.machine.ids import Attempt
from asyncflow_slurm import script
from asyncflow_slurm.commands import Cluster, Commands, Listed, Refusal, Trouble
from asyncflow_slurm.place import Place
from asyncflow_slurm.states import Row, end_of, note_of, phase_of

__all__ = ["Pace", "SlurmPlatform"]

log = logging.getLogger(__name__)

_MISSES = 2
"""How often a job must be missing in the queue until it is taken to have left it."""
_DOUBTS = 3
"""How many looks after a lost answer still search for a second job."""
_QUOTA_NOTE = "as many jobs are submitted as the cluster lets this account submit"


class Pace(NamedTuple):
    """How often, how long."""

    shortest_s: float = 1.0
    """Between two looks at the queue, when something happens."""
    longest_s: float = 15.0
    """When nothing does."""
    grace_s: float = 30.0
    """From asking a job to end to killing it."""
    closing_s: float = 8.0
    """How long jobs may take to leave at the end: half as much again when asked, so much when killed or cancelled."""


class _Known:
    """A job of the run."""

    def __init__(self, attempt: Attempt, job_id: str) -> None:
        self.attempt = attempt
        self.id = job_id
        """Empty: not asked for yet, because of a quota."""
        self.end: End | None = None
        self.told: tuple[Phase, str] | None = None
        self.asked = ""
        """By which signal it is to end; empty if it is not."""
        self.misses = 0
        self.node = ""


class SlurmPlatform:
    """One run's jobs. Keeps the contract of `Platform`.

    Args:
        owner: Names the store.
        run: The run's id.
        commands: Slurm's.
        cluster: What it is like.
        place: What jobs share with us. None: nothing.
        pace: How often, how long.
    """

    def __init__(
        self, owner: str, run: int, commands: Commands, *, cluster: Cluster, place: Place | None, pace: Pace
    ) -> None:
        self._whose = (owner, run)
        self._commands = commands
        self._cluster = cluster
        self._place = place
        self._pace = pace
        self._jobs: dict[Attempt, _Known] = {}
        self._existing: dict[Attempt, str] | None = None
        """Ids of the run's jobs that were found in the queue and on the disk. None: nobody has looked."""
        self._held: list[Sequence[Job]] = []
        """Requests that wait for a quota."""
        self._stopped_early: dict[Attempt, bool] = {}
        """Attempts that were to be ended while they were being asked for, and whether by force."""
        self._doubts = 0
        self._asking = anyio.Lock()
        self._wake = anyio.Event()
        self._is_closed = False
        self._is_detached = False

    @property
    def capabilities(self) -> PlatformCapabilities:
        """What this platform can do."""
        return PlatformCapabilities(
            name="slurm",
            most_at_once=max(1, min(1000, self._cluster.largest_array)),
            has_array=True,
            shares_filesystem=self._place is not None,
        )

    # Asking

    async def submit(self, jobs: Sequence[Job]) -> Sequence[Refused]:
        """Ask for jobs of one step; return those that were refused. See `Platform.submit`."""
        refused: list[Refused] = []
        async with self._asking:
            if self._is_closed:
                raise PlatformError("The platform is closed; no job was submitted")
            await self._look_around()
            self._stopped_early = {}
            for array in script.arrays(
                [job for job in jobs if not self._is_known(job.attempt)], self._most()
            ):
                refused += await self._ask(array)
            early, self._stopped_early = self._stopped_early, {}
        for attempt, force in early.items():
            await self.stop([attempt], force=force)
        self._wake.set()
        return refused

    async def _ask(self, jobs: Sequence[Job]) -> list[Refused]:
        """Make one request, as often as its answer is lost."""
        if self._place is not None:
            await anyio.to_thread.run_sync(self._place.make)
        flags = script.flags(jobs, self._pace.grace_s)
        text = script.script(jobs, self._place.directory if self._place else None, self._pace.grace_s)

        async def once() -> str:
            if self._doubts:
                self._existing = None
                await self._look_around_once()
                if all(self._is_known(job.attempt) for job in jobs):
                    return ""
            before, self._doubts = self._doubts, _DOUBTS  # until there is an answer
            try:
                job_id = await self._commands.submit(flags, text)
            except Refusal:
                self._doubts = before
                raise
            self._doubts = before
            return job_id

        try:
            job_id = await self._commands.patiently(once, what="jobs could not be submitted")
        except Refusal as error:
            if error.is_quota:
                return await self._ask_less(jobs)
            return [Refused(job.attempt, EndReason.UNSCHEDULABLE, str(error)) for job in jobs]
        if job_id:
            for position, job in enumerate(jobs):
                self._follow(job.attempt, f"{job_id}_{position}" if len(jobs) > 1 else job_id)
        return []

    async def _ask_less(self, jobs: Sequence[Job]) -> list[Refused]:
        """Ask for a part of what a quota did not let pass, and hold what that does not let pass either."""
        if len(jobs) == 1:
            self._hold(jobs)
            return []
        held, half = len(self._held), len(jobs) // 2
        refused = await self._ask(jobs[:half])
        if len(self._held) > held:
            self._hold(jobs[half:])
            return refused
        return refused + await self._ask(jobs[half:])

    def _hold(self, jobs: Sequence[Job]) -> None:
        self._held.append(jobs)
        for job in jobs:
            self._follow(job.attempt, "")

    async def _ask_held(self) -> None:
        """Try again what a quota has held up."""
        while self._held and not self._is_closed:
            async with self._asking:
                jobs = [job for job in self._held.pop(0) if self._jobs[job.attempt].end is None]
                held = len(self._held)
                for array in script.arrays(jobs, self._most()):
                    for refused in await self._ask(array):
                        self._jobs[refused.attempt].end = End(refused.reason, refused.message)
                if len(self._held) > held:
                    return

    def _is_known(self, attempt: Attempt) -> bool:
        """Whether an attempt has a job; one that was found is followed from now on."""
        if attempt not in self._jobs and attempt in (self._existing or {}):
            self._follow(attempt, (self._existing or {})[attempt])
        return attempt in self._jobs

    def _follow(self, attempt: Attempt, job_id: str) -> None:
        known = self._jobs.setdefault(attempt, _Known(attempt, job_id))
        known.id = job_id

    def _most(self) -> int:
        return self.capabilities.most_at_once

    # Looking

    async def _look_around(self) -> None:
        """Search for the run's jobs, unless that was done."""
        if self._existing is None:
            await self._commands.patiently(self._look_around_once, what="its queue could not be read")

    async def _look_around_once(self) -> None:
        begun: Mapping[Attempt, str] = {}
        if self._place is not None:
            begun = await anyio.to_thread.run_sync(self._place.begun)
        found: dict[Attempt, Listed] = {}
        surplus: list[str] = []
        for job in await self._commands.listed():
            if (job.identity.owner, job.identity.run) == self._whose:
                attempt = job.identity.attempts[job.position]
                keep, drop = _older_first(found.get(attempt), job, begun.get(attempt, ""))
                found[attempt] = keep
                surplus += [drop.id] if drop is not None and not drop.is_over else []
        if surplus:
            log.warning("cancelling second jobs for attempts: %s", ", ".join(surplus))
            await self._commands.cancel(surplus)
        self._existing = {**begun, **{attempt: job.id for attempt, job in found.items()}}
        for known in self._live():
            if known.end is None and known.attempt in found:
                known.id = found[known.attempt].id

    async def changes(self) -> AsyncGenerator[Sequence[JobSeen], None]:
        """Yield what happens to all jobs, in batches, until `aclose`. See `Platform.changes`."""
        pause_s = self._pace.shortest_s
        while not self._is_closed:
            self._wake = anyio.Event()
            if not self._live():
                await self._wake.wait()
                continue
            began = time.monotonic()
            seen = await self._commands.patiently(self._look, what="its queue could not be read")
            least_s = max(self._pace.shortest_s, 10 * (time.monotonic() - began))
            pause_s = least_s if seen else min(pause_s * 1.5, max(self._pace.longest_s, least_s))
            if seen:
                yield seen
            with anyio.move_on_after(pause_s):
                await self._wake.wait()
                pause_s = least_s

    async def find(self, attempts: Sequence[Attempt]) -> Sequence[JobSeen]:
        """Tell of those attempts' jobs that exist. See `Platform.find`."""
        async with self._asking:
            await self._look_around()
        wanted = [self._jobs[attempt] for attempt in attempts if self._is_known(attempt)]
        if not wanted:
            return []

        async def look() -> list[JobSeen]:
            rows = await self._commands.queue()
            missing = [known for known in wanted if known.end is None and known.id not in rows]
            await self._left(missing)
            return [self._seen(known, rows.get(known.id)) for known in wanted]

        seen = await self._commands.patiently(look, what="its queue could not be read")
        self._wake.set()
        return seen

    async def _look(self) -> list[JobSeen]:
        """Return what is new in the queue."""
        if self._doubts:
            await self._look_around_once()
            self._doubts -= 1
        await self._ask_held()
        await self._insist()
        live = self._live()
        rows = await self._commands.queue()
        for known in live:
            is_there = known.id in rows or not known.id or known.end is not None
            known.misses = 0 if is_there else known.misses + 1
        await self._left([known for known in live if known.misses >= _MISSES])
        news: list[JobSeen] = []
        for known in live:
            if known.misses and known.end is None:
                continue
            seen = self._seen(known, rows.get(known.id))
            if (seen.phase, seen.note) != known.told:
                known.told = (seen.phase, seen.note)
                news.append(seen)
        return news

    def _seen(self, known: _Known, row: Row | None) -> JobSeen:
        if row is not None:
            known.node = row.node or known.node
            if known.end is None and phase_of(row.state) is Phase.ENDED:
                known.end = self._end(known, row)
                row = row._replace(state="RUNNING")  # the other one, if this was one too many
        if known.end is not None:
            phase, note = Phase.ENDED, ""
        elif row is not None:
            phase, note = phase_of(row.state), note_of(row)
        else:
            phase, note = Phase.PENDING, "" if known.id else _QUOTA_NOTE
        metadata = {"slurm-job-id": known.id, "slurm-node": known.node}
        return JobSeen(
            attempt=known.attempt,
            phase=phase,
            where=f"{known.node} (job {known.id})" if known.node else f"job {known.id}" if known.id else "",
            note=note,
            end=known.end,
            metadata={name: value for name, value in metadata.items() if value},
        )

    def _end(self, known: _Known, row: Row) -> End | None:
        """Return how a job ended that the queue, or accounting, shows as ended; None if it was one too many."""
        end = end_of(row)
        if end.reason not in (EndReason.SUCCEEDED, EndReason.FAILED):
            return end
        if self._place is not None:
            holder = self._place.holder(known.attempt)
            if row.exit_code == script.ONE_TOO_MANY and holder not in ("", known.id):
                known.id, known.misses = holder, 0
                return None
            end = self._place.end(known.attempt) or end
        if known.asked and end.reason is EndReason.FAILED:
            end = end._replace(reason=EndReason.STOPPED)
        return end

    async def _left(self, gone: Sequence[_Known]) -> None:
        """Find out how jobs ended that the queue does not show any more."""
        if not gone:
            return
        rows: dict[str, Row] = {}
        if self._cluster.has_accounting:
            rows = await self._commands.accounted([known.id for known in gone if known.id])
        for known in gone:
            row = rows.get(known.id)
            if row is not None and phase_of(row.state) is Phase.ENDED:
                known.end = self._end(known, row)
            else:
                left = self._place.end(known.attempt) if self._place is not None else None
                reason = EndReason.STOPPED if known.asked else EndReason.LOST
                known.end = left or End(reason, f"job {known.id} has left the queue without a word")

    def _live(self) -> list[_Known]:
        """Return the jobs whose end was not told."""
        return [
            known for known in self._jobs.values() if known.told is None or known.told[0] is not Phase.ENDED
        ]

    # Ending

    async def stop(self, attempts: Sequence[Attempt], *, force: bool) -> None:
        """Ask or force jobs to end; unknown ones are no error. See `Platform.stop`."""
        if self._asking.locked():
            self._stopped_early |= {attempt: force for attempt in attempts if attempt not in self._jobs}
        signal = script.FORCE if force else script.ASK
        for attempt in attempts:
            known = self._jobs.get(attempt)
            if known is not None and known.end is None:
                known.asked = signal
                if not known.id:
                    known.end = End(EndReason.STOPPED, "before it was submitted")
        await self._commands.patiently(self._insist, what="jobs could not be ended")
        self._wake.set()

    async def _insist(self) -> None:
        """Signal all jobs that are to end. One that was about to begin may have missed it, a second one is ignored."""
        for signal in (script.ASK, script.FORCE):
            ids = [known.id for known in self._jobs.values() if known.asked == signal and known.end is None]
            await self._commands.signal(ids, signal)

    def detach(self) -> None:
        """Let what runs go on when the platform is closed: another driver goes on with the run, or may."""
        self._is_detached = True

    async def aclose(self) -> None:
        """End what still runs: asked, then forced, then left to Slurm. Bounded in time; safe to call twice."""
        self._is_closed = True
        self._wake.set()
        if self._is_detached:
            return
        with anyio.CancelScope(shield=True):
            for signal, within_s in (
                (script.ASK, min(self._pace.grace_s, 1.5 * self._pace.closing_s)),
                (script.FORCE, self._pace.closing_s),
                ("", self._pace.closing_s),
            ):
                if await self._all_ended(signal, within_s):
                    return
            log.warning("jobs may still run: %s", ", ".join(known.id for known in self._live()))

    async def _all_ended(self, signal: str, within_s: float) -> bool:
        """Signal all jobs, or leave them to Slurm if there is no signal; tell whether they have ended in time."""
        with anyio.move_on_after(within_s):
            while True:
                left = [known for known in self._jobs.values() if known.end is None and known.id]
                if not left:
                    return True
                for known in left:
                    known.asked = signal or known.asked
                try:
                    if not signal:
                        await self._commands.cancel([known.id for known in left])
                    await self._look()
                except (PlatformError, Trouble) as error:
                    log.info("the cluster does not answer: %s", error)
                await anyio.sleep(min(self._pace.shortest_s, 0.5))
        return False


def _older_first(one: Listed | None, other: Listed, holder: str) -> tuple[Listed, Listed | None]:
    """Return the job that counts of two for one attempt, and the one too many."""
    if one is None:
        return other, None
    if holder in (one.id, other.id):
        return (one, other) if holder == one.id else (other, one)
    return (one, other) if _age(one) <= _age(other) else (other, one)


def _age(job: Listed) -> tuple[int, ...]:
    return tuple(int(part) for part in job.id.split("_"))
