"""The only fold: how each event changes a run's state. Total, without rules; unknown events are skipped.

Live state, restart, dashboard and tests all go through `evolve`. It has a compatibility promise: a log written by
any release is folded by every later one.
"""

from __future__ import annotations

import heapq
from array import array
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from asyncflow.machine import events as ev
from asyncflow.machine.graph import Graph, Pool
from asyncflow.machine.ids import Frame, ManifestKey
from asyncflow.machine.outcome import OUT_OF_MEMORY
from asyncflow.machine.state import (
    CloneKey,
    CloneSource,
    Needs,
    RunState,
    ScopeState,
    TaskState,
    TaskStatus,
    Timer,
    TimerKind,
)

__all__ = ["TIMEOUT_MARGIN_S", "evolve", "fold", "is_stale"]

TIMEOUT_MARGIN_S = 5.0
"""A step past its @timeout raises inside its own process; one that does not is killed this much later, seconds."""


def fold(
    graph: Graph, events: Iterable[object], clones: Mapping[CloneKey, CloneSource] | None = None
) -> RunState:
    """Rebuild a run's state from its log.

    Args:
        graph: The flow's graph, as recorded in the run's first event.
        events: The log in order; kinds this release does not know are skipped.
        clones: What the run may take over from its origin, as it was given when the run began.
    """
    state = RunState(graph=graph, clones=clones or {})
    for event in events:
        evolve(state, event)
    return state


def evolve(state: RunState, event: object) -> None:
    """Apply one event."""
    apply = _APPLY.get(type(event))
    if apply is not None:
        apply(state, event)
    state.seq += 1


def is_stale(state: RunState, timer: Timer) -> bool:
    """Tell whether what the timer waited for has been settled otherwise."""
    if timer.kind is TimerKind.STOP:
        return state.stop_at != timer.at or all(state.tasks[task].stop_asked for task in state.running)
    task = state.tasks.get(timer.task)
    if task is None:
        return True
    if timer.kind is TimerKind.RETRY:
        return task.wake_at != timer.at
    if timer.kind is TimerKind.TIMEOUT:
        return task.deadline != timer.at
    return task.force_at != timer.at


def _run_created(state: RunState, event: ev.RunCreated) -> None:
    state.run = event.run
    state.status = ev.RunStatus.RUNNING
    state.limits = event.limits


def _driver_changed(state: RunState, event: ev.DriverChanged) -> None:
    state.limits = event.limits
    state.granted.clear()


def _limits_changed(state: RunState, event: ev.LimitsChanged) -> None:
    state.limits = event.limits


def _permits_granted(state: RunState, event: ev.PermitsGranted) -> None:
    state.granted[event.permit] = state.granted.get(event.permit, 0) + event.count


def _permits_returned(state: RunState, event: ev.PermitsReturned) -> None:
    _lower(state.granted, event.permit, event.count)


def _task_created(state: RunState, event: ev.TaskCreated) -> None:
    frames = _frames(state, event.frames, event.scope, event.index)
    task = TaskState(
        event.task, event.step, event.parent, frames, event.scope, event.index, event.closes, event.iteration
    )
    state.tasks[event.task] = task
    state.next_task = event.task + 1
    if event.scope is not None:
        scope = state.scopes[event.scope]
        _lower(state.unborn, scope.step)
        _move_cursor(state, scope, event.index + 1)
    _enqueue(state, task)


def _task_cloned(state: RunState, event: ev.TaskCloned) -> None:
    state.next_task = event.task + 1
    state.cloned += 1
    frames = _frames(state, event.frames, event.scope, event.index)
    if event.scope is not None:
        scope = state.scopes[event.scope]
        if scope.taken is None:
            scope.taken = bytearray(scope.width)
        scope.taken[event.index] = 1
        _lower(state.unborn, scope.step)
        if scope.cursor == event.index:
            _move_cursor(state, scope, event.index + 1)
    if event.closes is not None:
        state.scopes.pop(event.closes, None)
    if event.arrived is not None:
        _arrive(state, event.arrived, frames[-1].index, event.task, 0)
        state.scopes[event.arrived].origins[frames[-1].index] = event.origin
    _note_end(state, event.step)


def _attempt_launched(state: RunState, event: ev.AttemptLaunched) -> None:
    task = state.tasks[event.task]
    _leave_queue(state, task)
    task.status = TaskStatus.RUNNING
    task.number = event.number
    task.is_started = task.stop_asked = task.stop_forced = task.is_timed_out = False
    task.stopped_by = ""
    state.running[event.task] = None
    _use(state, task.step, 1)
    for permit in state.permits.get(task.step, ()):
        if permit.per_s is None:
            state.in_use[permit.id] = state.in_use.get(permit.id, 0) + 1
        else:
            _lower(state.granted, permit.id)


def _attempt_started(state: RunState, event: ev.AttemptStarted) -> None:
    task = state.tasks[event.task]
    task.is_started = True
    timeout_s = state.graph.steps[task.step].timeout_s
    if timeout_s is not None and not task.is_fallback:
        task.deadline = event.at + timeout_s + TIMEOUT_MARGIN_S
        _set_timer(state, Timer(task.deadline, TimerKind.TIMEOUT, task.id))


def _attempt_succeeded(state: RunState, event: ev.AttemptSucceeded) -> None:
    task = state.tasks.pop(event.task)
    _end_attempt(state, task)
    state.succeeded += 1
    if task.closes is not None:
        state.scopes.pop(task.closes, None)
    if event.arrived is not None:
        _arrive(state, event.arrived, task.frames[-1].index, event.task, event.number)
        state.scopes[event.arrived].has_fresh_arrival = True
    _note_end(state, task.step)


def _attempt_failed(state: RunState, event: ev.AttemptFailed) -> None:
    task = state.tasks[event.task]
    _end_attempt(state, task)
    if task.is_fallback:
        task.fallbacks += 1
    else:
        task.failures += 1
        task.last_error = event.error
        task.ooms += event.error.type == OUT_OF_MEMORY


def _attempt_lost(state: RunState, event: ev.AttemptLost) -> None:
    task = state.tasks[event.task]
    _end_attempt(state, task)
    task.losses += 1


def _attempt_timed_out(state: RunState, event: ev.AttemptTimedOut) -> None:
    task = state.tasks[event.task]
    task.is_timed_out = True
    task.deadline = None
    _prune_timers(state)


def _attempt_cancelled(state: RunState, event: ev.AttemptCancelled) -> None:
    _end_attempt(state, state.tasks.pop(event.task))


def _stop_asked(state: RunState, event: ev.StopAsked) -> None:
    task = state.tasks[event.task]
    task.stop_asked = True
    task.stopped_by = event.by
    if event.force:
        task.stop_forced = True
        task.force_at = None
    else:
        task.force_at = event.at + state.limits.stop_grace_s
        _set_timer(state, Timer(task.force_at, TimerKind.FORCE, task.id))
    _prune_timers(state)


def _retry_scheduled(state: RunState, event: ev.RetryScheduled) -> None:
    task = state.tasks[event.task]
    _leave_queue(state, task)
    task.status = TaskStatus.WAITING
    task.last_error = event.error or task.last_error
    task.is_fallback = event.is_fallback
    task.wake_at = event.wake_at
    state.waiting += 1
    _set_timer(state, Timer(event.wake_at, TimerKind.RETRY, task.id))


def _retry_due(state: RunState, event: ev.RetryDue) -> None:
    _enqueue(state, state.tasks[event.task])
    _prune_timers(state)


def _task_failed(state: RunState, event: ev.TaskFailed) -> None:
    task = state.tasks.pop(event.task)
    _leave_queue(state, task)
    state.failed += 1
    _prune_timers(state)


def _scope_opened(state: RunState, event: ev.ScopeOpened) -> None:
    frames = tuple(Frame(*frame) for frame in event.frames)
    state.scopes[event.task] = ScopeState(
        event.task, event.step, event.width, ManifestKey(*event.manifest), frames, event.is_cloned, state.seq
    )
    if event.width:
        state.open_scopes[event.task] = None
        state.open_by_split.setdefault(event.step, {})[event.task] = None
        state.unborn[event.step] = state.unborn.get(event.step, 0) + event.width


def _run_stopping(state: RunState, event: ev.RunStopping) -> None:
    state.stopping = event.reason
    state.stop_at = event.stop_at
    _set_timer(state, Timer(event.stop_at, TimerKind.STOP, 0))


def _run_finished(state: RunState, event: ev.RunFinished) -> None:
    state.status = event.status
    state.tasks.clear()
    state.scopes.clear()
    state.ready.clear()
    state.open_scopes.clear()
    state.open_by_split.clear()
    state.unborn.clear()
    state.granted.clear()
    state.timers.clear()
    state.waiting = 0
    state.stop_at = None


_APPLY: dict[type, Callable[[RunState, Any], None]] = {  # Any: each function takes its own event type
    ev.RunCreated: _run_created,
    ev.DriverChanged: _driver_changed,
    ev.LimitsChanged: _limits_changed,
    ev.PermitsGranted: _permits_granted,
    ev.PermitsReturned: _permits_returned,
    ev.TaskCreated: _task_created,
    ev.TaskCloned: _task_cloned,
    ev.AttemptLaunched: _attempt_launched,
    ev.AttemptStarted: _attempt_started,
    ev.AttemptSucceeded: _attempt_succeeded,
    ev.AttemptFailed: _attempt_failed,
    ev.AttemptLost: _attempt_lost,
    ev.AttemptTimedOut: _attempt_timed_out,
    ev.AttemptCancelled: _attempt_cancelled,
    ev.StopAsked: _stop_asked,
    ev.RetryScheduled: _retry_scheduled,
    ev.RetryDue: _retry_due,
    ev.TaskFailed: _task_failed,
    ev.ScopeOpened: _scope_opened,
    ev.RunStopping: _run_stopping,
    ev.RunFinished: _run_finished,
}


def _frames(
    state: RunState, frames: tuple[tuple[int, int], ...] | None, scope: int | None, index: int
) -> tuple[Frame, ...]:
    if frames is not None:
        return tuple(Frame(*frame) for frame in frames)
    if scope is None:
        return ()
    return (*state.scopes[scope].frames, Frame(scope, index))


def _move_cursor(state: RunState, scope: ScopeState, cursor: int) -> None:
    taken = scope.taken
    if taken is not None:
        while cursor < scope.width and taken[cursor]:
            cursor += 1
    scope.cursor = cursor
    if cursor >= scope.width and scope.task in state.open_scopes:
        del state.open_scopes[scope.task]
        siblings = state.open_by_split[scope.step]
        del siblings[scope.task]
        if not siblings:
            del state.open_by_split[scope.step]


def _arrive(state: RunState, scope_id: int, index: int, task: int, number: int) -> None:
    scope = state.scopes[scope_id]
    if not scope.arrivals:
        scope.tasks = array("q", bytes(8 * scope.width))
        scope.attempts = array("I", bytes(4 * scope.width))
    scope.tasks[index] = task
    scope.attempts[index] = number
    scope.arrivals += 1


def _note_end(state: RunState, step: str) -> None:
    if step == state.graph.end:
        state.has_ended = True


def _enqueue(state: RunState, task: TaskState) -> None:
    if task.status is TaskStatus.WAITING:
        state.waiting -= 1
    task.status = TaskStatus.QUEUED
    task.wake_at = None
    queue = state.ready.get(task.step)
    if queue is None:
        queue = state.ready[task.step] = deque()
    if queue and queue[-1] > task.id:
        insort(queue, task.id)
    else:
        queue.append(task.id)


def _leave_queue(state: RunState, task: TaskState) -> None:
    if task.status is TaskStatus.WAITING:
        state.waiting -= 1
    if task.status is not TaskStatus.QUEUED:
        return
    queue = state.ready[task.step]
    if queue[0] == task.id:
        queue.popleft()
    else:
        queue.remove(task.id)
    if not queue:
        del state.ready[task.step]


def _end_attempt(state: RunState, task: TaskState) -> None:
    if state.running.pop(task.id, 0) is None:
        _use(state, task.step, -1)
        for permit in state.permits.get(task.step, ()):
            if permit.per_s is None:
                _lower(state.in_use, permit.id)
    task.deadline = task.force_at = None
    _prune_timers(state)


def _use(state: RunState, step: str, sign: int) -> None:
    pool = state.graph.steps[step].pool
    if pool is Pool.ASYNC:
        state.running_async += sign
    elif pool is Pool.REMOTE:
        state.running_remote += sign
    needs = state.needs[step]
    if not any(needs):
        return
    used = state.used
    state.used = Needs(
        used.millicores + sign * needs.millicores,
        used.kilobytes + sign * needs.kilobytes,
        used.milligpus + sign * needs.milligpus,
    )


def _set_timer(state: RunState, timer: Timer) -> None:
    heap = state.timers
    if len(heap) > 64 + 4 * (len(state.running) + state.waiting):
        heap[:] = [old for old in heap if not is_stale(state, old)]
        heapq.heapify(heap)
    heapq.heappush(heap, timer)


def _prune_timers(state: RunState) -> None:
    heap = state.timers
    while heap and is_stale(state, heap[0]):
        heapq.heappop(heap)


def _lower(counts: dict[str, int], name: str, by: int = 1) -> None:
    """Count down; what comes to nothing is forgotten."""
    left = counts.get(name, 0) - by
    if left > 0:
        counts[name] = left
    else:
        counts.pop(name, None)
