"""Why jobs wait, for those that do for long: AWS's reason if it has one, else what is wrong with their queue."""

from __future__ import annotations

import time

from asyncflow.backends.batch.asking import Details, list_children
from asyncflow.backends.batch.book import Tracked
from asyncflow.backends.batch.caller import Caller
from asyncflow.backends.batch.naming import ARRAY
from asyncflow.backends.batch.pace import Pace
from asyncflow.backends.batch.queues import look_at_queue
from asyncflow.errors import PlatformError, UserError
from asyncflow.text import one_line

__all__ = ["Waiting"]

_SOON = 0.25
"""Of `Pace.waiting_s`: how long an array waits before one of its children is asked why."""


class Waiting:
    """Remembers since when jobs wait, and what was found out; asks seldom."""

    def __init__(self, caller: Caller, pace: Pace) -> None:
        self._caller = caller
        self._pace = pace
        self._since: dict[str, float] = {}
        self._children: dict[str, tuple[float, str]] = {}
        """By array: when one of its children was asked, and what it said."""
        self._queues: dict[str, tuple[float, str]] = {}

    async def why(self, job: Tracked, about: Details) -> str:
        """Return why a job waits; empty: it does not, or not for long. `about`: what AWS says of it.

        Raises PlatformError.
        """
        if not _is_waiting(about):
            self._since.pop(job.id, None)
            return ""
        now = time.monotonic()
        waited = now - self._since.setdefault(job.id, now)
        reason = one_line(str(about.get("statusReason") or ""))
        if not reason and job.kind is ARRAY and waited >= _SOON * self._pace.waiting_s:
            reason = await self._child_says(job, now)
        if reason or waited < self._pace.waiting_s:
            return reason
        trouble = await self._queue_says(job.queue.name, now)
        return f"Queue {job.queue.name}: {trouble}" if trouble else f"RUNNABLE: waits for {_machines(job)}"

    async def _child_says(self, job: Tracked, now: float) -> str:
        asked_at, reason = self._children.get(job.id, (float("-inf"), ""))
        if now - asked_at >= self._pace.waiting_s:
            reason = ""
            async for child in list_children(self._caller, job.id, "RUNNABLE", most=1):
                reason = one_line(str(child.get("statusReason") or ""))
            self._children[job.id] = (now, reason)
        return reason

    async def _queue_says(self, name: str, now: float) -> str:
        asked_at, trouble = self._queues.get(name, (float("-inf"), ""))
        if now - asked_at >= self._pace.waiting_s:
            try:
                trouble = (await look_at_queue(self._caller, name)).why_waiting
            except UserError as gone:
                trouble = gone.message
            except PlatformError:
                trouble = ""  # it is only for the note
            self._queues[name] = (now, trouble)
        return trouble


def _is_waiting(about: Details) -> bool:
    array: Details = about.get("arrayProperties") or {}
    counts: dict[str, int] = array.get("statusSummary") or {}
    return about.get("status") == "RUNNABLE" or bool(counts.get("RUNNABLE"))


def _machines(job: Tracked) -> str:
    named = ", ".join(one.name for one in job.queue.machines)
    return f"machines of {named}" if named else f"machines of queue {job.queue.name}"
