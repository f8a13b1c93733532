"""What comes after a success: the next task, an opened scope, an arrival at a join; or a clone of the origin's task.

A scope per split. A split task that succeeds opens a scope: (split task, width). Each branch carries its parent's
scope stack plus (split task, index). A task whose next step is the matching join arrives: its success is counted in
the top scope. At `width` arrivals the join task exists, its inputs in index order. Switches and recursion neither
push nor pop. An empty scope is complete at once, so its join runs with no inputs. Static branches become tasks with
their scope; those of a foreach or gang when there is room for them.

On resume, a task that would be created is looked up among the origin's good tasks by where it stands (step, indices,
iteration). If it is there and everything above it was cloned too, it is taken over instead, and what comes after it
is decided the same way, until nothing more can be taken over. A gang is taken over whole or runs again whole, as its
members work together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asyncflow.machine.events import AttemptSucceeded, ScopeOpened, TaskCloned, TaskCreated
from asyncflow.machine.graph import StepNode, Transition
from asyncflow.machine.ids import Frame, ManifestKey
from asyncflow.machine.outcome import ErrorInfo, Succeeded
from asyncflow.machine.rules.failure import fail_task
from asyncflow.machine.rules.stopping import begin_stopping
from asyncflow.machine.state import CloneKey, RunState, ScopeState, TaskState
from asyncflow.machine.turn import TurnUnderWay
from asyncflow.records import record

__all__ = [
    "MOST_BRANCHES",
    "accept_success",
    "begin_flow",
    "create_branch",
    "refuse_scope",
    "transition_problem",
]

MOST_BRANCHES = 2**31 - 1
"""Widest scope there can be; more is a mistake, and would be one of memory, too."""
SPLITS = (Transition.SPLIT, Transition.FOREACH, Transition.PARALLEL)


@record(kw_only=False)
class _Birth:
    """A task that is due to exist."""

    step: str
    parent: ManifestKey
    frames: tuple[Frame, ...]
    scope: int | None = None
    index: int = 0
    closes: int | None = None
    iteration: int = 0
    may_be_cloned: bool = False


@record(kw_only=False)
class _Done:
    """A task that has just succeeded or was cloned, as far as its successors need it."""

    task: int
    node: StepNode
    manifest: ManifestKey
    frames: tuple[Frame, ...]
    iteration: int
    width: int | None
    chosen: str | None
    arrived: int | None
    is_cloned: bool


def transition_problem(node: StepNode, outcome: Succeeded) -> str | None:
    """Say what is wrong with a reported transition, or None if the step may hand on like that."""
    if node.transition is Transition.SWITCH and outcome.chosen not in node.next:
        return (
            f"step {node.name} chose {outcome.chosen!r}, which is none of its targets {', '.join(node.next)}"
        )
    if node.transition in (Transition.FOREACH, Transition.PARALLEL):
        if outcome.width is None:
            return f"step {node.name} reported no number of items"
        if not 0 <= outcome.width <= MOST_BRANCHES:
            return (
                f"step {node.name} reported {outcome.width} items, which is not between 0 and {MOST_BRANCHES}"
            )
    return None


def begin_flow(turn: TurnUnderWay, parameters: ManifestKey) -> None:
    """Bring forth the first task, or clone as much as can be cloned."""
    state = turn.state
    _bring_forth(turn, _Birth(state.graph.start, parameters, (), may_be_cloned=bool(state.clones)))


def accept_success(turn: TurnUnderWay, task: TaskState, outcome: Succeeded) -> None:
    """Record a success and bring forth what comes next, unless the run is stopping."""
    state = turn.state
    node = state.node_of(task)
    frames, iteration, number = task.frames, task.iteration, task.number
    arrived = _arrival(state, node, outcome.chosen, frames)
    turn.emit(
        AttemptSucceeded(
            at=turn.at,
            cause=turn.cause,
            task=task.id,
            number=number,
            width=outcome.width,
            chosen=outcome.chosen,
            caught=outcome.caught,
            arrived=arrived,
            artifacts=outcome.artifacts,
            usage=outcome.usage,
            reused=outcome.reused,
        )
    )
    if state.stopping is not None:
        return
    manifest = ManifestKey(state.run, task.id, number)
    done = _Done(
        task.id, node, manifest, frames, iteration, outcome.width, outcome.chosen, arrived, is_cloned=False
    )
    for birth in _births_after(turn, done):
        _bring_forth(turn, birth)


def create_branch(turn: TurnUnderWay, scope: ScopeState) -> TaskState:
    """Make a task of the scope's next branch."""
    task = turn.state.next_task
    _create(turn, _branch(turn.state, scope, scope.cursor))
    return turn.state.tasks[task]


def refuse_scope(turn: TurnUnderWay, scope: ScopeState, error: ErrorInfo) -> None:
    """End the run, as this scope's branches cannot be run: the first of them fails and says why.

    Not the split task: it did well, and a resume with other limits takes it over.
    """
    fail_task(turn, create_branch(turn, scope), error)
    begin_stopping(turn, error.message)


def _bring_forth(turn: TurnUnderWay, first: _Birth) -> None:
    """Create a task, or clone it and everything after it that can be cloned."""
    if not first.may_be_cloned:
        _create(turn, first)
        return
    stack: list[Iterator[_Birth]] = [iter((first,))]
    while stack:
        birth = next(stack[-1], None)
        if birth is None:
            stack.pop()
            continue
        done = _clone(turn, birth) if birth.may_be_cloned else None
        if done is None:
            _create(turn, birth)
        else:
            stack.append(_births_after(turn, done))


def _arrival(state: RunState, node: StepNode, chosen: str | None, frames: tuple[Frame, ...]) -> int | None:
    if node.transition is Transition.LINEAR:
        target = node.next[0]
    elif node.transition is Transition.SWITCH and chosen is not None:
        target = chosen
    else:
        return None
    return None if state.graph.steps[target].closes is None else frames[-1].scope


def _births_after(turn: TurnUnderWay, done: _Done) -> Iterator[_Birth]:
    node = done.node
    if node.transition in SPLITS:
        yield from _open_scope(turn, done)
    elif done.arrived is not None:
        yield from _join_if_complete(turn, done.arrived)
    elif node.transition is not Transition.END:
        target = node.next[0] if node.transition is Transition.LINEAR else str(done.chosen)
        iteration = done.iteration + 1 if target == node.name else 0
        yield _Birth(target, done.manifest, done.frames, iteration=iteration, may_be_cloned=done.is_cloned)


def _open_scope(turn: TurnUnderWay, done: _Done) -> Iterator[_Birth]:
    node = done.node
    width = len(node.next) if node.transition is Transition.SPLIT else (done.width or 0)
    turn.emit(
        ScopeOpened(
            at=turn.at,
            cause=turn.cause,
            task=done.task,
            step=node.name,
            width=width,
            manifest=done.manifest,
            frames=done.frames,
            is_cloned=done.is_cloned,
        )
    )
    scope = turn.state.scopes[done.task]
    most = turn.state.limits.max_splits
    if node.transition is Transition.FOREACH and most is not None and width > most:
        refuse_scope(turn, scope, _too_wide(node, width, most))
    elif width == 0:
        yield from _join_if_complete(turn, done.task)
    else:
        for index in _branches_at_once(turn.state, scope, node):
            yield _branch(turn.state, scope, index)


def _too_wide(node: StepNode, width: int, most: int) -> ErrorInfo:
    message = f"the foreach of step {node.name} has {width} items, more than --max-num-splits {most}"
    return ErrorInfo("asyncflow.TooManySplits", message, is_retryable=False)


def _branches_at_once(state: RunState, scope: ScopeState, node: StepNode) -> Iterable[int]:
    """Return which branches do not wait for room: static ones, and those that are taken over."""
    if node.transition is Transition.SPLIT:
        return range(scope.width)
    if not scope.is_cloned:
        return ()
    path = tuple(frame.index for frame in scope.frames)
    step = node.next[0]
    good = [index for index in range(scope.width) if CloneKey(step, (*path, index)) in state.clones]
    is_broken_gang = node.transition is Transition.PARALLEL and len(good) < scope.width
    return () if is_broken_gang else good


def _branch(state: RunState, scope: ScopeState, index: int) -> _Birth:
    targets = state.graph.steps[scope.step].next
    return _Birth(
        targets[index % len(targets)],
        scope.manifest,
        (*scope.frames, Frame(scope.task, index)),
        scope=scope.task,
        index=index,
        may_be_cloned=scope.is_cloned,
    )


def _join_if_complete(turn: TurnUnderWay, scope_id: int) -> Iterator[_Birth]:
    state = turn.state
    scope = state.scopes[scope_id]
    if not scope.is_complete:
        return
    yield _Birth(
        state.graph.join_of(scope.step),
        scope.manifest,
        scope.frames,
        closes=scope_id,
        may_be_cloned=scope.is_cloned and not scope.has_fresh_arrival,
    )


def _create(turn: TurnUnderWay, birth: _Birth) -> None:
    turn.emit(
        TaskCreated(
            at=turn.at,
            cause=turn.cause,
            task=turn.state.next_task,
            step=birth.step,
            parent=birth.parent,
            scope=birth.scope,
            index=birth.index,
            closes=birth.closes,
            iteration=birth.iteration,
            frames=None if birth.scope is not None else birth.frames,
        )
    )


def _clone(turn: TurnUnderWay, birth: _Birth) -> _Done | None:
    state = turn.state
    path = tuple(frame.index for frame in birth.frames)
    source = state.clones.get(CloneKey(birth.step, path, birth.iteration))
    node = state.graph.steps[birth.step]
    if source is None or transition_problem(node, Succeeded(width=source.width, chosen=source.chosen)):
        return None
    task = state.next_task
    arrived = _arrival(state, node, source.chosen, birth.frames)
    turn.emit(
        TaskCloned(
            at=turn.at,
            cause=turn.cause,
            task=task,
            step=birth.step,
            parent=birth.parent,
            scope=birth.scope,
            index=birth.index,
            closes=birth.closes,
            iteration=birth.iteration,
            frames=None if birth.scope is not None else birth.frames,
            origin=source.origin,
            width=source.width,
            chosen=source.chosen,
            caught=source.caught,
            arrived=arrived,
        )
    )
    return _Done(
        task,
        node,
        source.origin,
        birth.frames,
        birth.iteration,
        source.width,
        source.chosen,
        arrived,
        is_cloned=True,
    )
