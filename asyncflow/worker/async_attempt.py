"""One attempt of an `async def` step, on an event loop that it shares with others: the async twin of `Prepared.run`.

The attempt runs in one asyncio task. It is stopped by cancelling that task once, as asyncio does it, so that what the
step awaits while it cleans up still runs. When the step has ended, what it left running is cancelled and named; then
its artifacts are stored, on a thread if they are large, and the manifest is written. An attempt that does not end when
it is told to is abandoned: whatever it does later counts for nothing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from inspect import isawaitable
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread

from asyncflow.errors import StoreError
from asyncflow.flow.decorators.user import Wrapping
from asyncflow.machine.outcome import Failed, Outcome
from asyncflow.store.manifest import ArtifactRecord, CardRecord
from asyncflow.worker import report
from asyncflow.worker.async_streams import OWNER
from asyncflow.worker.attempt import Prepared, show
from asyncflow.worker.binding import Binding, Origins
from asyncflow.worker.problems import info_of
from asyncflow.worker.spec import RunSpec, TaskSpec
from asyncflow.worker.surroundings import gangs_of
from asyncflow.worker.timeout import TimeoutException
from asyncflow.worker.transition import handover_of, static_handover
from asyncflow.worker.usage import SharedMeter
from asyncflow.worker.weight import is_light

if TYPE_CHECKING:
    from asyncflow.worker.deck import Deck

__all__ = ["AsyncAttempt", "StepStopped", "prepare_async"]

_LEAKED_S = 1.0
"""How long tasks that a step left running may take to end once they are cancelled."""
_MOST_NAMED = 5
_NO_ARTIFACTS = ("_binding", "_next")

Result = TypeVar("Result")


class StepStopped(SystemExit):
    """The scheduler asked the task to stop (cancel), and its coroutine was cancelled."""


def prepare_async(
    flow_class: type, run_spec: RunSpec, spec: TaskSpec, origins: Origins, *, token: int
) -> AsyncAttempt:
    """Read what an attempt starts from, as `worker.attempt.prepare` does. `token` is its name in the worker."""
    binding: Binding | StoreError
    try:
        binding = origins.bind(flow_class, spec, run_spec.parameters, gangs_of(flow_class))
    except StoreError as error:
        binding = error
    attempt = AsyncAttempt(flow_class, run_spec, spec, origins.store, binding)
    attempt.token = token
    return attempt


class AsyncAttempt(Prepared):
    """An attempt that is ready to run, once, on the running event loop (`async_streams.Owner`)."""

    token: int = 0
    threads: anyio.CapacityLimiter | None = None
    """How many attempts may store large artifacts at the same time. None: as many as there are threads."""
    is_over = False
    is_abandoned = False
    ended: anyio.Event | None = None
    """Set at the end, if somebody has put it there."""
    task: asyncio.Task[Any] | None = None  # Any: nobody asks what it returns
    """The task of the step itself; None before it has begun."""
    _is_stopped = False
    _has_left_step = False

    async def run_and_report(self) -> bytes | None:
        """Run the attempt as `run_here` does; return its report. Never raises, as others share the loop."""
        try:
            outcome = await self.run_here()
            return None if outcome is None else report.encode(self._spec.attempt, outcome)
        except Exception as error:  # noqa: BLE001 - what we have done wrong must not end the other attempts
            told = info_of(error)
            show(told)
            return report.encode(self._spec.attempt, Failed(error=told))

    async def run_here(self) -> Outcome | None:
        """Run the attempt and leave its manifest; say how it ended. None: it was abandoned meanwhile.

        Never raises for a failure of the user's code or of the store.

        Cancellation: `stop` is the way to end an attempt; to cancel the scope it runs in ends it without a manifest.
        """
        meter = SharedMeter()
        self.task = asyncio.current_task()
        self._started: dict[asyncio.Task[Any], None] = {}
        OWNER.set(self)
        self._surroundings.bind_current()
        if self._deck is not None:
            self._deck.enter()
        try:
            if isinstance(self._binding, StoreError):
                raise self._binding
            await self._execute_here(self._binding)
            self._has_left_step = True
            await self._end_what_is_left()
            records = await self._settle_here(self._binding)
            cards = () if self._deck is None else await self._deal_here(self._deck, records)
            return None if self.is_abandoned else self._leave_manifest(self._binding, records, meter, cards)
        except StoreError as error:
            told = info_of(error)
            show(told)
            return Failed(error=told, usage=meter.read())
        finally:
            self.is_over = True
            if self._deck is not None:
                self._deck.close()
            if self.ended is not None:
                self.ended.set()

    def stop(self) -> None:
        """Cancel the step. One that is done already, and stores what it made, is left alone."""
        self._is_stopped = True
        if self.task is not None and not self._has_left_step:
            self.task.cancel()

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Take note of a task that the step's code has started."""
        if task is not self.task:
            self._started[task] = None
            task.add_done_callback(self._forget)

    def place(self) -> str:
        """Return `file:line` where the step waits, in the user's code; empty if that cannot be told."""
        found = ""
        waiting: Any = None if self.task is None else self.task.get_coro()  # Any: whatever is awaited
        while waiting is not None:
            frame: FrameType | None = getattr(waiting, "cr_frame", None)
            if frame is not None and frame.f_code.co_filename == self._info.file:
                found = f"{frame.f_code.co_filename}:{frame.f_lineno}"
            waiting = getattr(waiting, "cr_await", None)
        return found

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._started.pop(task, None)

    async def _execute_here(self, binding: Binding) -> None:
        """Run the step and see where it hands on; a failure becomes a value."""
        try:
            if self._is_stopped:
                raise StepStopped("the scheduler asked the task to stop before it began")
            flow = self._flow = self._flow_class(use_cli=False)
            flow._binding = binding
            if self._spec.fallback is not None:
                self._failure, self._handover = self._spec.fallback, static_handover(self._info)
            elif self._spec.timeout_s is None:
                await self._step_here(flow, binding)
            else:
                await self._step_in_time(flow, binding, self._spec.timeout_s)
        except asyncio.CancelledError as error:
            if self._is_stopped and self.task is not None:
                self.task.uncancel()
                self._fail(StepStopped("the scheduler asked the task to stop"))
            else:
                self._fail(error)
        except BaseException as error:  # noqa: BLE001 - the user's step may raise anything, sys.exit() included
            self._fail(error)

    async def _step_in_time(self, flow: Any, binding: Binding, limit_s: float) -> None:  # Any: a FlowSpec
        limit = asyncio.timeout(limit_s)
        try:
            async with limit:
                await self._step_here(flow, binding)
        except TimeoutError as error:
            if not limit.expired():
                raise
            message = f"Step {self._spec.step} ran longer than its @timeout of {limit_s:g} s"
            raise TimeoutException(message) from error.__cause__

    async def _step_here(self, flow: Any, binding: Binding) -> None:  # Any: a FlowSpec
        async def run(step: Callable[..., Any]) -> None:  # Any: the user's function
            returned = step(flow) if binding.inputs is None else step(flow, binding.inputs)
            if isawaitable(returned):
                await returned

        if any(isinstance(one, Wrapping) for one in self._info.decorators):
            from asyncflow.worker.wrapping import run_wrapped_async  # only for steps that have some

            await run_wrapped_async(flow, self._info, binding.inputs, run)
        else:
            await run(getattr(self._flow_class, self._spec.step))
        hand_on = partial(handover_of, flow, self._info, self._store)
        call = flow._next
        if call is None or call.foreach is None or is_light(flow.__dict__.get(call.foreach)):
            self._handover = hand_on()
        else:
            self._handover = await self._on_thread(hand_on)

    async def _end_what_is_left(self) -> None:
        """Cancel the tasks that the step has started and not awaited, and name them."""
        left = [task for task in self._started if not task.done()]
        if not left:
            return
        names = [_name_of(task) for task in left[:_MOST_NAMED]]
        more = f" and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
        self.warn(
            f"step {self._spec.step} left {len(left)} asyncio task(s) running, which are cancelled: "
            f"{', '.join(names)}{more}. Await them, or start them in a task group."
        )
        for task in left:
            task.cancel()
        _, stubborn = await asyncio.wait(left, timeout=_LEAKED_S)
        if stubborn:
            names = [_name_of(task) for task in list(stubborn)[:_MOST_NAMED]]
            self.warn(f"{len(stubborn)} of them did not end when cancelled: {', '.join(names)}")

    def warn(self, text: str) -> None:
        """Write a line of ours to the attempt's own stderr."""
        sys.stderr.write(f"asyncflow: {text}\n")

    async def _settle_here(self, binding: Binding) -> dict[str, ArtifactRecord]:
        flow: object = self._flow
        made: dict[str, object] = {} if flow is None else vars(flow)
        if all(name in _NO_ARTIFACTS or is_light(value) for name, value in made.items()):
            return self._settle(binding)
        return await self._on_thread(partial(self._settle, binding))

    async def _deal_here(self, deck: Deck, records: dict[str, ArtifactRecord]) -> tuple[CardRecord, ...]:
        """Make the cards on a thread. Those that take longer than their timeouts are left behind."""
        limit_s = sum(float(hand.attributes.timeout) for hand in deck.hands if hand.attributes is not None)
        with anyio.CancelScope(shield=True), anyio.move_on_after(limit_s):
            return await anyio.to_thread.run_sync(
                partial(self._deal, records), limiter=self.threads, abandon_on_cancel=True
            )
        from asyncflow.worker.dealing import give_up  # loaded with the deck

        return give_up(deck, self._store, f"The card took longer than its timeout of {limit_s:g} s")

    async def _on_thread(self, work: Callable[[], Result]) -> Result:
        """Do what takes long beside the loop. Waits until it is done, also when it is cancelled."""
        scope = anyio.CancelScope(shield=True)
        with scope:
            return await anyio.to_thread.run_sync(work, limiter=self.threads)
        raise AssertionError("a scope that nobody cancels swallows nothing")


def _name_of(task: asyncio.Task[Any]) -> str:
    coroutine: Any = task.get_coro()  # Any: a coroutine or what behaves like one
    code = getattr(coroutine, "cr_code", None)
    if code is None:
        return getattr(coroutine, "__qualname__", repr(coroutine))
    return f"{coroutine.__qualname__} ({code.co_filename}:{code.co_firstlineno})"
