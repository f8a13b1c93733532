"""Which task gets a free slot.

Queued tasks come first, oldest first (a retried task keeps its age); then new branches of the scope opened last, so
that nested foreaches finish one before they begin the next and memory follows what runs. A task needs a slot and
its declared resources. One that does not fit reserves whatever it is short of: nothing younger may take that, so a
big task is never starved by small ones; others pass it by. A gang (`num_parallel`) is launched whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator

from asyncflow.machine.events import AttemptLaunched
from asyncflow.machine.graph import StepNode, Transition
from asyncflow.machine.ids import Frame
from asyncflow.machine.outcome import ErrorInfo
from asyncflow.machine.rules.failure import fail_task
from asyncflow.machine.rules.flow import Birth, bring_forth
from asyncflow.machine.state import Needs, RunState, ScopeState, needs_of
from asyncflow.machine.turn import TurnUnderWay

__all__ = ["fill_slots"]

_UNLIMITED = 1 << 62


class _Room:
    """What is free now, less what blocked tasks reserve."""

    __slots__ = ("capacity", "free", "reserved", "slots")

    def __init__(self, state: RunState) -> None:
        limits, used = state.limits, state.used
        self.slots = limits.slots - len(state.running)
        self.capacity = Needs(
            _units(limits.cpu, 1000), _units(limits.memory_mb, 1024), _units(limits.gpu, 1000)
        )
        self.free = [total - taken for total, taken in zip(self.capacity, used, strict=True)]
        self.reserved = [False, False, False]

    def take(self, needs: Needs, count: int = 1) -> bool:
        """Take room for `count` tasks, or reserve what they are short of and return False."""
        wanted = [amount * count for amount in needs]
        short = [amount > free for amount, free in zip(wanted, self.free, strict=True)]
        if any(short):
            self.reserved = [held or lacking for held, lacking in zip(self.reserved, short, strict=True)]
            return False
        if any(held and amount for held, amount in zip(self.reserved, wanted, strict=True)):
            return False
        self.free = [free - amount for free, amount in zip(self.free, wanted, strict=True)]
        self.slots -= count
        return True

    def can_ever_hold(self, needs: Needs) -> bool:
        """Tell whether the machine is large enough at all."""
        return all(amount <= total for amount, total in zip(needs, self.capacity, strict=True))


def fill_slots(turn: TurnUnderWay) -> None:
    """Launch as many tasks as fit."""
    state = turn.state
    if state.stopping is not None or (not state.ready and not state.open_scopes):
        return
    room = _Room(state)
    if room.slots > 0 and state.ready:
        _launch_queued(turn, room)
    if room.slots > 0 and state.open_scopes:
        _launch_branches(turn, room)


def _launch_queued(turn: TurnUnderWay, room: _Room) -> None:
    state = turn.state
    blocked: dict[str, None] = {}
    while room.slots > 0:
        heads = [(queue[0], step) for step, queue in state.ready.items() if step not in blocked]
        if not heads or state.stopping is not None:
            return
        task_id, step = min(heads)
        needs = needs_of(state.graph.steps[step])
        if not room.can_ever_hold(needs):
            fail_task(turn, state.tasks[task_id], _too_large(step, room.capacity, needs))
        elif room.take(needs):
            _launch(turn, task_id)
        else:
            blocked[step] = None


def _launch_branches(turn: TurnUnderWay, room: _Room) -> None:
    state = turn.state
    for scope_id in reversed(list(state.open_scopes)):
        scope = state.scopes[scope_id]
        node = state.graph.steps[scope.step]
        if node.transition is Transition.PARALLEL:
            _launch_gang(turn, room, scope, node)
        else:
            _launch_from(turn, room, scope, node)
        if room.slots <= 0 or state.stopping is not None:
            return


def _launch_from(turn: TurnUnderWay, room: _Room, scope: ScopeState, node: StepNode) -> None:
    state = turn.state
    while room.slots > 0 and scope.cursor < scope.width and state.stopping is None:
        step = node.next[scope.cursor % len(node.next)]
        needs = needs_of(state.graph.steps[step])
        if not room.can_ever_hold(needs):
            task_id = _create_branch(turn, scope, step)
            fail_task(turn, state.tasks[task_id], _too_large(step, room.capacity, needs))
        elif room.take(needs):
            _launch(turn, _create_branch(turn, scope, step))
        else:
            return


def _launch_gang(turn: TurnUnderWay, room: _Room, scope: ScopeState, node: StepNode) -> None:
    state = turn.state
    step = node.next[0]
    rest = scope.width - scope.cursor
    if rest > room.slots or not room.take(needs_of(state.graph.steps[step]), rest):
        room.slots = 0
        return
    for _ in _remaining(scope):
        _launch(turn, _create_branch(turn, scope, step))


def _remaining(scope: ScopeState) -> Iterator[int]:
    while scope.cursor < scope.width:
        yield scope.cursor


def _create_branch(turn: TurnUnderWay, scope: ScopeState, step: str) -> int:
    index = scope.cursor
    task_id = turn.state.next_task
    frames = (*scope.frames, Frame(scope.task, index))
    bring_forth(turn, Birth(step, scope.manifest, frames, scope=scope.task, index=index))
    return task_id


def _launch(turn: TurnUnderWay, task_id: int) -> None:
    number = turn.state.tasks[task_id].number + 1
    turn.emit(AttemptLaunched(at=turn.at, cause=turn.cause, task=task_id, number=number))


def _units(amount: float | None, scale: int) -> int:
    return _UNLIMITED if amount is None else round(amount * scale)


def _too_large(step: str, capacity: Needs, needs: Needs) -> ErrorInfo:
    names = ("cpu", "memory (MB)", "gpu")
    scales = (1000, 1024, 1000)
    lacking = [
        f"{name} {needs[i] / scales[i]:g} of {capacity[i] / scales[i]:g}"
        for i, name in enumerate(names)
        if needs[i] > capacity[i]
    ]
    message = f"step {step} asks for more than this machine has: {', '.join(lacking)}"
    return ErrorInfo("asyncflow.ResourcesTooLarge", message, is_retryable=False)
