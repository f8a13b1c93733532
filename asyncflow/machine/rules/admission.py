"""Which task gets a free slot.

Queued tasks come first, oldest first (a retried task keeps its age); then new branches of the scope opened last, so
that nested foreaches finish one before they begin the next and memory follows what runs. A task needs a slot, its
declared resources, and every permit of its step; slots of async steps and of steps that run elsewhere are counted apart
from those of processes. One that does not fit reserves whatever resource it is short of: nothing younger may take that,
so a big task is never starved by small ones; others pass it by. One that waits for a permit reserves nothing and is
passed by. A gang (`num_parallel`) is launched whole or not at all, and cannot wait for permits. What the machine could
never hold, however long one waits, fails at once and says what is lacking.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

from asyncflow.machine.events import AttemptLaunched
from asyncflow.machine.graph import Pool, Transition
from asyncflow.machine.outcome import ErrorInfo
from asyncflow.machine.rules.failure import fail_task
from asyncflow.machine.rules.flow import create_branch, refuse_scope
from asyncflow.machine.state import Needs, RunState, ScopeState
from asyncflow.machine.turn import TurnUnderWay

__all__ = ["fill_slots"]

_UNLIMITED = 1 << 62


class _Room:
    """What is free now, less what blocked tasks reserve."""

    __slots__ = ("capacity", "free", "pool", "reserved", "slots")

    def __init__(self, state: RunState) -> None:
        limits, used = state.limits, state.used
        steps = state.graph.steps
        self.pool = {name: node.pool for name, node in steps.items()}
        pools = self.pool.values()
        self.slots = {pool: free if pool in pools else 0 for pool, free in state.free_slots().items()}
        self.capacity = Needs(
            _units(limits.cpu, 1000), _units(limits.memory_mb, 1024), _units(limits.gpu, 1000)
        )
        self.free = [max(0, total - taken) for total, taken in zip(self.capacity, used, strict=True)]
        self.reserved = [False, False, False]

    @property
    def is_full(self) -> bool:
        """Whether there is no slot left for any step of the flow."""
        return max(self.slots.values()) <= 0

    def slots_for(self, step: str) -> int:
        """Return how many slots are free for tasks of this step."""
        return self.slots[self.pool[step]]

    def close(self, step: str) -> None:
        """Leave no slot to tasks of this step's kind."""
        self.slots[self.pool[step]] = 0

    def take(self, step: str, needs: Needs, count: int = 1) -> bool:
        """Take room for `count` tasks, or reserve what they are short of and return False."""
        if any(needs):
            wanted = [amount * count for amount in needs]
            short = [amount > free for amount, free in zip(wanted, self.free, strict=True)]
            if any(short):
                self.reserved = [held or lacking for held, lacking in zip(self.reserved, short, strict=True)]
                return False
            if any(held and amount for held, amount in zip(self.reserved, wanted, strict=True)):
                return False
            self.free = [free - amount for free, amount in zip(self.free, wanted, strict=True)]
        self.slots[self.pool[step]] -= count
        return True

    def can_ever_hold(self, needs: Needs, count: int = 1) -> bool:
        """Tell whether the machine is large enough at all for `count` tasks at the same time."""
        return all(amount * count <= total for amount, total in zip(needs, self.capacity, strict=True))


def fill_slots(turn: TurnUnderWay) -> None:
    """Launch as many tasks as fit."""
    state = turn.state
    if state.stopping is not None or (not state.ready and not state.open_scopes):
        return
    room = _Room(state)
    if not room.is_full and state.ready:
        _launch_queued(turn, room)
    if not room.is_full and state.open_scopes:
        _launch_branches(turn, room)


def _launch_queued(turn: TurnUnderWay, room: _Room) -> None:
    state = turn.state
    blocked: dict[str, None] = {}
    while not room.is_full:
        heads = [
            (queue[0], step)
            for step, queue in state.ready.items()
            if step not in blocked and room.slots_for(step) > 0
        ]
        if not heads or state.stopping is not None:
            return
        task_id, step = min(heads)
        needs = state.needs[step]
        if not room.can_ever_hold(needs):
            fail_task(turn, state.tasks[task_id], _too_large(step, room.capacity, needs))
        elif state.may_start(step) and room.take(step, needs):
            _launch(turn, task_id)
        else:
            blocked[step] = None


def _launch_branches(turn: TurnUnderWay, room: _Room) -> None:
    state = turn.state
    blocked: dict[str, None] = {}
    while not room.is_full and state.stopping is None:
        scope = _newest(state, blocked)
        if scope is None:
            return
        node = state.graph.steps[scope.step]
        if room.slots_for(node.next[0]) <= 0:
            blocked[scope.step] = None
        elif node.transition is Transition.PARALLEL:
            _launch_gang(turn, room, scope, node.next[0])
        elif not _launch_from(turn, room, scope, node.next[0]):
            blocked[scope.step] = None


def _newest(state: RunState, blocked: Mapping[str, None]) -> ScopeState | None:
    """Return the scope opened last, of steps that are not blocked: all scopes of one step wait for the same."""
    heads = [
        state.scopes[next(reversed(scopes))]
        for split, scopes in state.open_by_split.items()
        if split not in blocked
    ]
    return max(heads, key=attrgetter("opened"), default=None)


def _launch_from(turn: TurnUnderWay, room: _Room, scope: ScopeState, step: str) -> bool:
    """Launch branches of a scope; return False if the next one does not fit."""
    state = turn.state
    needs = state.needs[step]
    while room.slots_for(step) > 0 and scope.cursor < scope.width and state.stopping is None:
        if not room.can_ever_hold(needs):
            fail_task(turn, create_branch(turn, scope), _too_large(step, room.capacity, needs))
        elif state.may_start(step) and room.take(step, needs):
            _launch(turn, create_branch(turn, scope).id)
        else:
            return False
    return True


def _launch_gang(turn: TurnUnderWay, room: _Room, scope: ScopeState, step: str) -> None:
    state = turn.state
    needs, size = state.needs[step], scope.width - scope.cursor
    most, option = _most_at_once(state, step)
    if step in state.permits:
        refuse_scope(turn, scope, _no_permits_for_gangs(step))
    elif size > most:
        refuse_scope(turn, scope, _too_many(step, size, f"{option} {most}"))
    elif not room.can_ever_hold(needs, size):
        refuse_scope(turn, scope, _too_large(step, room.capacity, needs, size))
    elif size > room.slots_for(step) or not room.take(step, needs, size):
        room.close(step)
    else:
        for _ in range(size):
            _launch(turn, create_branch(turn, scope).id)


def _most_at_once(state: RunState, step: str) -> tuple[int, str]:
    """Return how many tasks of a step may ever run at the same time, and which option says so."""
    limits, pool = state.limits, state.graph.steps[step].pool
    if pool is Pool.ASYNC:
        return limits.async_slots, "--max-async"
    return (limits.remote_slots if pool is Pool.REMOTE else limits.slots), "--max-workers"


def _launch(turn: TurnUnderWay, task_id: int) -> None:
    number = turn.state.tasks[task_id].number + 1
    turn.emit(AttemptLaunched(at=turn.at, cause=turn.cause, task=task_id, number=number))


def _units(amount: float | None, scale: int) -> int:
    return _UNLIMITED if amount is None else round(amount * scale)


def _too_many(step: str, size: int, limit: str) -> ErrorInfo:
    message = f"step {step} is to run as {size} tasks at the same time, more than {limit}"
    return ErrorInfo("asyncflow.GangTooLarge", message, is_retryable=False)


def _no_permits_for_gangs(step: str) -> ErrorInfo:
    message = (
        f"step {step} runs as a gang, all at the same time, and cannot wait for @concurrency or @rate_limit"
    )
    return ErrorInfo("asyncflow.GangWithLimits", message, is_retryable=False)


def _too_large(step: str, capacity: Needs, needs: Needs, count: int = 1) -> ErrorInfo:
    names = ("cpu", "memory (MB)", "gpu")
    scales = (1000, 1024, 1000)
    lacking = [
        f"{name} {needs[i] * count / scales[i]:g} of {capacity[i] / scales[i]:g}"
        for i, name in enumerate(names)
        if needs[i] * count > capacity[i]
    ]
    gang = f", as {count} tasks at the same time," if count > 1 else ""
    message = f"step {step}{gang} asks for more than this machine has: {', '.join(lacking)}"
    return ErrorInfo("asyncflow.ResourcesTooLarge", message, is_retryable=False)
