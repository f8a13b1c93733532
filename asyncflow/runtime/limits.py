"""Gets a run the permits its steps need, out of those that all runs of this user on this machine share.

After each turn the machine says how many permits it wants, holds and can spare (`machine/rules/permits.py`). The
limiter brings that about in the shared ledgers (`limits_ledger.py`) and tells the machine what came of it:

- What was given is a fact, `LimiterGranted`; the machine records it and launches.
- What is not wanted any more, or what others wait for, is asked back by `LimiterRecalled`. Only when the machine has
  recorded that, and the attempts that use it have ended, is it given back.
- A permit to start counts in its window until its attempt has ended, or has been under way for `START_S`.

Nobody waits for a file: the ledger of a limit that is used up is looked at again when its file has changed, which
one `stat` tells, within 50 ms; a window says itself when it has room again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from random import random
from types import TracebackType
from typing import Self

import anyio
import anyio.to_thread

from asyncflow.machine import events as ev
from asyncflow.machine.facts import Fact, LimiterGranted, LimiterRecalled
from asyncflow.machine.graph import Permit
from asyncflow.machine.ids import Attempt
from asyncflow.machine.rules.permits import permits_held, permits_spare, permits_wanted
from asyncflow.machine.state import RunState
from asyncflow.records import field, record
from asyncflow.runtime.clock import Clock, machine_time
from asyncflow.runtime.inbox import Inbox
from asyncflow.runtime.limits_directory import LimitsDirectory, Signature, find_directory
from asyncflow.runtime.limits_ledger import SEEN_S, Answer, Offer, exchange

__all__ = ["START_S", "Limiter"]

_log = logging.getLogger(__name__)

START_S = 0.25
"""An attempt's start is past so long after it was reported: until then its call may be on the way, seconds."""
POLL_S = (0.002, 0.05)
"""Shortest and longest wait between two looks at a ledger that had nothing to give, seconds."""
HOLDING_S = 0.25
"""Wait between two looks whether others want what is held, seconds."""
TOUCH_S = 600.0
"""How often a run says that its file is not old, for those who clear old files away, seconds."""
PATIENCE_S = 10.0
CLOSE_S = 5.0


@record(kw_only=False)
class _Needs:
    """What the machine said of one limit after the last turn."""

    wanted: int = 0
    spare: int = 0
    granted: int = 0
    held: int = 0
    """Permits not used, and those of running attempts; for starts only the former."""


@record(frozen=False, kw_only=False)
class _Account:
    """What the limiter knows of one limit."""

    permit: Permit
    needs: _Needs
    have: int = 0
    """Permits held in the ledger. For starts those included whose attempts may not have begun."""
    unseen: int = 0
    """Facts about this limit that the machine has not taken yet."""
    under_way: int = 0
    """For starts: attempts that were launched and whose start is not past."""
    started: list[float] = field(default_factory=list[float])
    """For starts: when starts were past that the ledger does not know of yet."""
    recalled: int = 0
    """Permits that others wait for."""
    told_wants: int = 0
    """What the ledger knows to be wanted."""
    look_at: float = 0.0
    pause_s: float = POLL_S[0]
    heard_at: float = 0.0
    """When the ledger was last told."""
    signature: Signature | None = None
    has_asked: bool = False
    """The ledger may hold something for this run, an answer that was not waited for included."""
    waits_since: float | None = None
    """Since when nothing was given although something is wanted."""
    has_told_waiting: bool = False
    has_warned: bool = False
    has_failed: bool = False

    @property
    def target(self) -> int:
        """Permits that are to be held in the ledger."""
        return self.needs.held + self.under_way

    @property
    def is_idle(self) -> bool:
        """Nothing is wanted, held or to be told."""
        return not (self.needs.wanted or self.have or self.started or self.told_wants)


class Limiter:
    """Keeps one run's permits, as an async context; leaving it gives everything back.

    Leave it when nothing of the run is running any more.

    Args:
        state: The run's state, before its first turn.
        run: For people: `Flow/42`.
        directory: Where limits are kept. None: the user's own.
        patience_s: After so long a wait it is said, once, what is waited for.

    Raises:
        LimitsUnavailable: On entering, the directory cannot be used.
    """

    def __init__(
        self, state: RunState, *, run: str, directory: str | None = None, patience_s: float = PATIENCE_S
    ) -> None:
        self._state = state
        self._run = run
        self._path = directory
        self._patience_s = patience_s
        self._shared: LimitsDirectory | None = None
        self._changed = anyio.Event()
        self._threads = anyio.CapacityLimiter(1)  # its own: whoever embeds us may have the common ones in use
        self._accounts = {
            permit.id: _Account(permit._replace(limit=state.permit_limits[permit.id]), _Needs())
            for several in state.permits.values()
            for permit in several
        }
        self._touched_at = machine_time()
        self._launched: dict[Attempt, tuple[str, ...]] = {}
        """Attempts whose start is not past, with the limits on starts that they count against."""
        self._past_at: dict[Attempt, float] = {}
        """When the start of an attempt that was reported to run is past, in order of time."""

    async def __aenter__(self) -> Self:
        if self._accounts:
            self._shared = await anyio.to_thread.run_sync(self._open, limiter=self._threads)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.move_on_after(CLOSE_S, shield=True):
            await anyio.to_thread.run_sync(self._close, limiter=self._threads)

    def after_turn(self, facts: Sequence[Fact], events: Sequence[ev.Event]) -> None:
        """Take note of a turn whose events are durable. Does not wait."""
        if not self._accounts:
            return
        for fact in facts:
            if isinstance(fact, LimiterGranted | LimiterRecalled):
                self._accounts[fact.permit].unseen -= 1
        now = machine_time()
        for event in events:
            if isinstance(event, ev.AttemptLaunched):
                self._note_launched(event)
            elif isinstance(event, ev.AttemptStarted):
                attempt = Attempt(event.task, event.number)
                if attempt in self._launched:
                    self._past_at[attempt] = now + START_S
            elif isinstance(event, _ENDS):
                self._note_past(Attempt(event.task, event.number), now)
        self._note_needs()
        self._changed.set()

    async def keep(self, inbox: Inbox, clock: Clock) -> None:
        """Get and give back permits until cancelled.

        Cancellation: safe at any point; what was got on the way is given back when the context is left.
        """
        if not self._accounts:
            return
        while True:
            await self._wait()
            self._changed = anyio.Event()
            self._note_all_past(machine_time())
            for account in self._accounts.values():
                if account.unseen == 0:
                    await self._settle(account, inbox, clock)

    async def _wait(self) -> None:
        times = [
            account.look_at
            for account in self._accounts.values()
            if account.unseen == 0 and not account.is_idle
        ]
        times += islice(self._past_at.values(), 1)
        with anyio.move_on_after(max(0.0, min(times) - machine_time()) if times else None):
            await self._changed.wait()

    def _note_needs(self) -> None:
        """Keep what the machine says now. Between turns its state may be ahead of the log."""
        wanted, spare = permits_wanted(self._state), permits_spare(self._state)
        for name, held in permits_held(self._state).items():
            granted = self._state.granted.get(name, 0)
            self._accounts[name].needs = _Needs(wanted.get(name, 0), spare.get(name, 0), granted, held)

    async def _settle(self, account: _Account, inbox: Inbox, clock: Clock) -> None:
        """Bring the ledger to what the machine needs, if there is anything to be brought about."""
        needs = account.needs
        surplus = max(needs.spare, account.recalled - max(0, account.have - account.target))
        if surplus > 0 and needs.granted:
            account.unseen += 1
            account.recalled = 0
            inbox.put((LimiterRecalled(at=clock.now(), permit=account.permit.id, count=surplus),))
        elif not account.is_idle and self._is_due(account, machine_time()):
            await self._ask(account, inbox, clock)

    def _is_due(self, account: _Account, now: float) -> bool:
        wanted = account.needs.wanted
        if (
            account.have > account.target
            or wanted > account.told_wants
            or (account.told_wants and not wanted)
        ):
            return True
        if now < account.look_at:
            return False
        if account.permit.per_s is not None and (wanted or account.started):
            return True
        assert self._shared is not None
        if account.told_wants and now - account.heard_at >= SEEN_S:
            return True
        if self._shared.signature(account.permit.id) != account.signature:
            return True
        self._look_later(account, now)
        return False

    async def _ask(self, account: _Account, inbox: Inbox, clock: Clock) -> None:
        started, account.started = account.started, []
        assert self._shared is not None
        held = min(account.have, account.target)
        offer = self._offer(self._shared, account, held=held, wants=account.needs.wanted, started=started)
        account.has_asked = True
        answer = await anyio.to_thread.run_sync(self._exchange, account, offer, limiter=self._threads)
        now = machine_time()
        if answer is None:
            account.started = started + account.started
            account.look_at = now + self._pause(account)
            return
        account.have = offer.held + answer.given
        account.told_wants = offer.wants - answer.given
        account.recalled = answer.recalled
        account.heard_at = now
        self._warn_of_smaller(account, answer)
        self._warn_of_waiting(account, answer, now)
        if answer.given:
            account.waits_since = None
            account.pause_s = POLL_S[0]
            account.unseen += 1
            inbox.put((LimiterGranted(at=clock.now(), permit=account.permit.id, count=answer.given),))
        if answer.again_at is not None and account.told_wants:
            account.look_at = min(answer.again_at, now + SEEN_S) + POLL_S[0] * random()
        else:
            self._look_later(account, now)
        if account.recalled and account.needs.granted:
            self._changed.set()

    def _look_later(self, account: _Account, now: float) -> None:
        account.look_at = now + (self._pause(account) if account.told_wants else HOLDING_S)

    def _pause(self, account: _Account) -> float:
        """Return a wait that grows from time to time, spread so that runs do not ask in step."""
        pause_s, account.pause_s = account.pause_s, min(POLL_S[1], 2 * account.pause_s)
        return pause_s * (0.5 + random() / 2)

    def _note_launched(self, event: ev.AttemptLaunched) -> None:
        permits = self._state.permits.get(self._state.tasks[event.task].step, ())
        limits = tuple(permit.id for permit in permits if permit.per_s is not None)
        if limits:
            self._launched[Attempt(event.task, event.number)] = limits
            for name in limits:
                self._accounts[name].under_way += 1

    def _note_past(self, attempt: Attempt, at: float) -> None:
        self._past_at.pop(attempt, None)
        for name in self._launched.pop(attempt, ()):
            self._accounts[name].under_way -= 1
            self._accounts[name].started.append(at)

    def _note_all_past(self, now: float) -> None:
        while self._past_at:
            attempt, at = next(iter(self._past_at.items()))
            if at > now:
                return
            self._note_past(attempt, at)

    def _warn_of_smaller(self, account: _Account, answer: Answer) -> None:
        if not account.has_warned and answer.limit < account.permit.limit:
            account.has_warned = True
            _log.warning(
                "%s: another run on this machine gives %d as the limit of %s, this one %d. The smaller counts.",
                self._run,
                answer.limit,
                account.permit.key,
                account.permit.limit,
            )

    def _warn_of_waiting(self, account: _Account, answer: Answer, now: float) -> None:
        """Say once why nothing happens, where that takes long."""
        if account.told_wants == 0 or answer.given or account.has_told_waiting:
            return
        if account.waits_since is None:
            account.waits_since = now
        permit = account.permit
        if (
            permit.per_s is not None
            and answer.again_at is not None
            and answer.again_at - now >= self._patience_s
        ):
            why = f"the next start may be in {answer.again_at - now:.0f} s"
        elif permit.per_s is None and answer.others and not account.have:
            if now - account.waits_since < self._patience_s:
                return
            why = f"permits are held by {', '.join(answer.others)}; see `asyncflow limits`"
        else:
            return
        account.has_told_waiting = True
        _log.warning("%s: tasks wait for the limit of %s: %s.", self._run, permit.key, why)

    # File work, in a thread

    def _open(self) -> LimitsDirectory:
        return LimitsDirectory(self._path or find_directory())

    def _exchange(self, account: _Account, offer: Offer) -> Answer | None:
        """Ask the ledger; None where it cannot be asked now."""
        try:
            return self._ask_ledger(account, offer)
        except FileNotFoundError:
            self._reopen()
        except OSError as error:
            if not account.has_failed:
                _log.warning(
                    "%s: the limit of %s waits for its ledger: %s", self._run, account.permit.key, error
                )
            account.has_failed = True
        return None

    def _ask_ledger(self, account: _Account, offer: Offer) -> Answer | None:
        assert self._shared is not None
        permit, now = account.permit, machine_time()
        if now - self._touched_at >= TOUCH_S:
            self._shared.touch()
            self._touched_at = now
        with self._shared.opened(permit.id, permit.per_s) as ledger:
            if ledger is None:
                return None
            answer = exchange(ledger, offer, now, self._shared.is_alive)
        account.signature = self._shared.signature(permit.id)
        return answer

    def _reopen(self) -> None:
        """The directory was cleared away: make it again, and say there what is held when that is next told."""
        cleared, self._shared = self._shared, self._open()
        if cleared is not None:
            cleared.close()

    def _close(self) -> None:
        shared, self._shared = self._shared, None
        if shared is None:
            return
        now = machine_time()
        for name, account in self._accounts.items():
            started = [*account.started, *[now] * account.under_way]
            if not account.has_asked:
                continue
            offer = self._offer(shared, account, held=0, wants=0, started=started)
            with suppress(OSError), shared.opened(name, account.permit.per_s) as ledger:
                if ledger is not None:  # else they are free as soon as this holder is seen to be gone
                    exchange(ledger, offer, now, shared.is_alive)
        shared.close()

    def _offer(
        self, shared: LimitsDirectory, account: _Account, *, held: int, wants: int, started: Sequence[float]
    ) -> Offer:
        return Offer(
            token=shared.token,
            pid=os.getpid(),
            run=self._run,
            limit=account.permit.limit,
            held=held,
            wants=wants,
            started=started,
        )


_ENDS = (ev.AttemptSucceeded, ev.AttemptFailed, ev.AttemptLost, ev.AttemptCancelled)
