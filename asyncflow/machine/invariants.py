"""What must be true of a run's state after every turn, re-derived from what it holds and compared.

A state that breaks one of these is a bug of the machine: the run stops, the log is kept.
"""

from __future__ import annotations

from collections.abc import Iterator

from asyncflow.machine.events import RunStatus
from asyncflow.machine.graph import Pool, Transition
from asyncflow.machine.state import (
    Needs,
    RunState,
    ScopeState,
    TaskState,
    TaskStatus,
    Timer,
    TimerKind,
    needs_of,
    permits_of,
)

__all__ = ["MachineBug", "check_invariants"]


class MachineBug(Exception):
    """The machine's state contradicts itself."""


def check_invariants(state: RunState) -> None:
    """Compare everything derived with what it derives from.

    Raises:
        MachineBug: Something differs; the message names every difference.
    """
    problems = list(_problems(state))
    if problems:
        raise MachineBug("; ".join(problems))


def _problems(state: RunState) -> Iterator[str]:
    yield from _queue_problems(state)
    yield from _capacity_problems(state)
    yield from _permit_problems(state)
    yield from _index_problems(state)
    yield from _timer_problems(state)
    for scope in state.scopes.values():
        yield from _scope_problems(state, scope)
    for task in state.tasks.values():
        yield from _task_problems(state, task)
    if state.is_over and (state.tasks or state.scopes or state.running or state.ready):
        yield "the run is over, but something is left of it"


def _queue_problems(state: RunState) -> Iterator[str]:
    by_status: dict[TaskStatus, list[int]] = {status: [] for status in TaskStatus}
    for task in state.tasks.values():
        by_status[task.status].append(task.id)
    queued = [task for queue in state.ready.values() for task in queue]
    if sorted(queued) != by_status[TaskStatus.QUEUED]:
        yield f"queued are {by_status[TaskStatus.QUEUED]}, in queues are {sorted(queued)}"
    if sorted(state.running) != by_status[TaskStatus.RUNNING]:
        yield f"running are {by_status[TaskStatus.RUNNING]}, noted as running are {sorted(state.running)}"
    if state.waiting != len(by_status[TaskStatus.WAITING]):
        yield f"waiting are {by_status[TaskStatus.WAITING]}, counted are {state.waiting}"
    if any(not queue for queue in state.ready.values()):
        yield "an empty queue is kept"


def _capacity_problems(state: RunState) -> Iterator[str]:
    used = [0, 0, 0]
    pools = [state.node_of(state.tasks[task_id]).pool for task_id in state.running]
    counted = [(Pool.ASYNC, state.running_async), (Pool.REMOTE, state.running_remote)]
    for pool, count in counted:
        if pools.count(pool) != count:
            yield f"running {pool} tasks are {pools.count(pool)}, counted are {count}"
    for task_id in state.running:
        for place, amount in enumerate(needs_of(state.node_of(state.tasks[task_id]))):
            used[place] += amount
    if Needs(*used) != state.used:
        yield f"running tasks use {used}, counted are {tuple(state.used)}"


def _permit_problems(state: RunState) -> Iterator[str]:
    in_use: dict[str, int] = {}
    for task_id in state.running:
        for permit in permits_of(state.node_of(state.tasks[task_id])):
            if permit.per_s is None:
                in_use[permit.id] = in_use.get(permit.id, 0) + 1
    if in_use != state.in_use:
        yield f"running tasks use the permits {in_use}, counted are {state.in_use}"
    if any(count <= 0 for count in state.granted.values()):
        yield f"a count of permits is kept that is none: {state.granted}"
    unknown = [permit for permit in state.granted if permit not in state.permit_limits]
    if unknown:
        yield f"permits {unknown} are of no step"


def _index_problems(state: RunState) -> Iterator[str]:
    by_split: dict[str, list[int]] = {}
    unborn: dict[str, int] = {}
    for scope_id in state.open_scopes:
        scope = state.scopes[scope_id]
        by_split.setdefault(scope.step, []).append(scope_id)
        taken = sum(scope.taken[scope.cursor :]) if scope.taken is not None else 0
        unborn[scope.step] = unborn.get(scope.step, 0) + scope.width - scope.cursor - taken
    if by_split != {split: list(scopes) for split, scopes in state.open_by_split.items()}:
        yield f"open are {by_split}, by step they are {state.open_by_split}"
    if unborn != state.unborn:
        yield f"{unborn} branches are no tasks yet, counted are {state.unborn}"
    opened = [state.scopes[scope_id].opened for scope_id in state.open_scopes]
    if opened != sorted(opened):
        yield f"open scopes {list(state.open_scopes)} are not in order of opening"


def _timer_problems(state: RunState) -> Iterator[str]:
    known = dict.fromkeys(state.timers)
    for timer in _due_timers(state):
        if timer not in known:
            yield f"{timer} is missing"


def _due_timers(state: RunState) -> Iterator[Timer]:
    for task in state.tasks.values():
        for kind, at in (
            (TimerKind.RETRY, task.wake_at),
            (TimerKind.TIMEOUT, task.deadline),
            (TimerKind.FORCE, task.force_at),
        ):
            if at is not None:
                yield Timer(at, kind, task.id)


def _scope_problems(state: RunState, scope: ScopeState) -> Iterator[str]:
    name = f"scope {scope.task}"
    arrived = sum(1 for task in scope.tasks if task)
    if arrived != scope.arrivals:
        yield f"{name} counts {scope.arrivals} arrivals and holds {arrived}"
    if not 0 <= scope.cursor <= scope.width:
        yield f"{name} stands at {scope.cursor} of {scope.width}"
    if (scope.task in state.open_scopes) != (scope.cursor < scope.width):
        yield f"{name} is wrongly noted as open or closed"
    joins = [task.id for task in state.tasks.values() if task.closes == scope.task]
    is_failed_or_stopping = state.failed or state.stopping is not None
    if joins and not scope.is_complete:
        yield f"{name} has join {joins} before all branches arrived"
    if len(joins) > 1:
        yield f"{name} has joins {joins}"
    if scope.is_complete and not joins and state.status is RunStatus.RUNNING and not is_failed_or_stopping:
        yield f"{name} is complete and has no join"


def _task_problems(state: RunState, task: TaskState) -> Iterator[str]:
    name = f"task {task.id}"
    for depth, frame in enumerate(task.frames):
        scope = state.scopes.get(frame.scope)
        if scope is None:
            yield f"{name} stands in scope {frame.scope}, which is not open"
        elif not 0 <= frame.index < scope.width or scope.frames != task.frames[:depth]:
            yield f"{name} stands in scope {frame.scope} at {frame.index}, which it cannot"
    if task.status is TaskStatus.WAITING and task.wake_at is None:
        yield f"{name} waits for no time"
    node = state.node_of(task)
    if node.closes is not None and task.closes not in state.scopes:
        yield f"{name} closes scope {task.closes}, which is not open"
    if node.transition is Transition.END and task.frames:
        yield f"{name} is at the end inside of a scope"
