"""Events to test with: one of every kind, and whole runs that go every way a run can go."""

from __future__ import annotations

import random
from collections.abc import Iterator

from asyncflow.machine import events as ev
from asyncflow.machine.ids import ManifestKey
from asyncflow.machine.outcome import ArtifactRef, ErrorInfo, Usage

AT = 1_700_000_000.0
ERROR = ErrorInfo("builtins.ValueError", "bad \udcff value", "File …\n", ("builtins.ValueError",), False)
USAGE = Usage(AT + 1, AT + 2, 0.5, 50_000_000)
ARTIFACTS = (ArtifactRef("result", "ab" * 20, 123, "builtins.int"), ArtifactRef("größe", "cd" * 20, 0, "m.T"))
GRAPH = {"flow": "F", "start": "start", "end": "end", "steps": [{"name": "start", "next": ["a", "b"]}]}
LIMITS = ev.Limits(slots=3, cpu=1.5, keep_going=True)


def run_created(run: int = 1, **changes: object) -> ev.RunCreated:
    values = {
        "at": AT,
        "run": run,
        "flow": "F",
        "user": "ada",
        "tags": ("nightly", "v:2"),
        "graph": GRAPH,
        "limits": LIMITS,
        "meta": {"argv": ["run", "--x"], "versions": {"python": "3.11"}, "nested": {"deep": [1, None, 2.5]}},
    }
    return ev.RunCreated(**{**values, **changes})  # pyright: ignore[reportArgumentType]


def task_created(task: int, step: str = "start", run: int = 1, **changes: object) -> ev.TaskCreated:
    values = {"at": AT, "cause": 0, "task": task, "step": step, "parent": ManifestKey(run, 0, 0)}
    return ev.TaskCreated(**{**values, **changes})  # pyright: ignore[reportArgumentType]


def ignored(why: str = "late") -> ev.FactIgnored:
    return ev.FactIgnored(at=AT, cause=0, fact="WorkerReported", why=why)


def launched(task: int, number: int = 0) -> ev.AttemptLaunched:
    return ev.AttemptLaunched(at=AT + 1, cause=1, task=task, number=number)


def succeeded(task: int, number: int = 0, **changes: object) -> ev.AttemptSucceeded:
    values = {
        "at": AT + 3,
        "cause": 2,
        "task": task,
        "number": number,
        "artifacts": ARTIFACTS,
        "usage": USAGE,
    }
    return ev.AttemptSucceeded(**{**values, **changes})  # pyright: ignore[reportArgumentType]


ONE_OF_EACH: tuple[ev.Event, ...] = (
    run_created(origin_run=7, rerun_steps=("a", "b")),
    ev.DriverChanged(at=AT, cause=1, host="here", pid=4711, limits=LIMITS),
    task_created(3, scope=2, index=5, closes=1, iteration=2, frames=((2, 5), (1, 0))),
    ev.TaskCloned(
        at=AT,
        cause=0,
        task=4,
        step="a",
        parent=ManifestKey(7, 1, 0),
        frames=(),
        origin=ManifestKey(7, 9, 1),
        width=3,
        chosen="b",
        caught=ERROR,
        arrived=2,
    ),
    launched(3),
    ev.AttemptStarted(
        at=AT, cause=1, task=3, number=0, where="pod-1", pid=99, metadata={"kubernetes-pod-name": "pod-1"}
    ),
    succeeded(3, width=10, chosen="x", caught=ERROR, arrived=2),
    ev.AttemptFailed(at=AT, cause=1, task=3, number=0, error=ERROR, artifacts=ARTIFACTS, usage=USAGE),
    ev.AttemptLost(at=AT, cause=1, task=3, number=0, reason="evicted"),
    ev.AttemptTimedOut(at=AT, cause=1, task=3, number=0),
    ev.AttemptCancelled(at=AT, cause=1, task=3, number=0),
    ev.StopAsked(at=AT, cause=1, task=3, number=0, force=True),
    ev.RetryScheduled(at=AT, cause=1, task=3, wake_at=AT + 60, is_fallback=True, uses_retry=False),
    ev.RetryDue(at=AT, cause=1, task=3),
    ev.TaskFailed(at=AT, cause=1, task=3, number=2, error=ERROR),
    ev.ScopeOpened(
        at=AT,
        cause=1,
        task=3,
        step="a",
        width=4,
        manifest=ManifestKey(1, 3, 0),
        frames=((1, 0),),
        is_cloned=True,
    ),
    ev.RunStopping(at=AT, cause=1, reason=ev.StopReason.CANCEL, stop_at=AT + 5, by="ada"),
    ev.LimitsChanged(at=AT, cause=1, limits=ev.Limits(slots=1)),
    ev.RunFinished(at=AT, cause=1, status=ev.RunStatus.FAILED),
    ev.FactIgnored(at=AT, cause=1, fact="TimerFired", why="stale", task=3, number=0),
    ev.PermitsGranted(at=AT, cause=1, permit="concurrency:api", count=3),
    ev.PermitsReturned(at=AT, cause=1, permit="concurrency:api", count=2),
    ev.AttemptPending(at=AT, cause=1, task=3, number=0, why="Unschedulable: 0/3 nodes"),
)


def whole_run(seed: int, run: int = 1) -> list[ev.Event]:
    """A run of a nested foreach whose tasks go every way a task can go, in an order drawn from `seed`."""
    chance = random.Random(seed)
    events: list[ev.Event] = [run_created(run), task_created(1, run=run), launched(1)]
    width = chance.randrange(1, 9)
    events.append(succeeded(1, width=width))
    events.append(
        ev.ScopeOpened(at=AT, cause=1, task=1, step="start", width=width, manifest=ManifestKey(run, 1, 0))
    )
    lives = [list(_life(chance, run, 2 + index, index)) for index in range(width)]
    while any(lives):
        life = chance.choice([life for life in lives if life])
        events.append(life.pop(0))
    if chance.random() < 0.3:
        events.append(ignored())
    if chance.random() < 0.5:
        events.append(task_created(2 + width, "join", run=run, closes=1))
    if chance.random() < 0.3:
        events.append(ev.RunStopping(at=AT, cause=1, reason=ev.StopReason.FAILURE, stop_at=AT + 1))
    if chance.random() < 0.6:
        events.append(ev.RunFinished(at=AT + 9, cause=1, status=chance.choice(list(ev.RunStatus)[1:])))
    return events


def _life(chance: random.Random, run: int, task: int, index: int) -> Iterator[ev.Event]:
    """What happens to one branch: cut short anywhere, retried, lost, caught, failed, cancelled or cloned."""
    if chance.random() < 0.15:
        yield ev.TaskCloned(
            at=AT,
            cause=0,
            task=task,
            step="train",
            parent=ManifestKey(7, 1, 0),
            scope=1,
            index=index,
            origin=ManifestKey(7, 3, 1),
            caught=chance.choice([None, ERROR]),
        )
        return
    yield task_created(task, "train", run=run, scope=1, index=index, parent=ManifestKey(run, 1, 0))
    for number in range(3):
        if chance.random() < 0.1:
            return
        yield launched(task, number)
        if chance.random() < 0.8:
            yield ev.AttemptStarted(
                at=AT + 2, cause=1, task=task, number=number, where="hôst", pid=number + 1
            )
        fate = chance.randrange(6)
        if fate == 0:
            yield ev.AttemptCancelled(at=AT + 3, cause=1, task=task, number=number)
            return
        if fate in (1, 2):
            yield from _success(chance, run, task, number, index)
            return
        yield _bad_end(task, number, is_lost=fate == 3)
        if number == 2 or chance.random() < 0.2:
            yield ev.TaskFailed(at=AT + 3, cause=1, task=task, number=number, error=ERROR)
            return
        yield ev.RetryScheduled(at=AT + 3, cause=1, task=task, wake_at=AT + 5)
        if chance.random() < 0.2:
            return
        yield ev.RetryDue(at=AT + 5, cause=1, task=task)


def _success(chance: random.Random, run: int, task: int, number: int, index: int) -> Iterator[ev.Event]:
    yield succeeded(task, number, caught=chance.choice([None, ERROR]))
    if chance.random() < 0.5:
        frames = ((1, index),)
        manifest = ManifestKey(run, task, number)
        yield ev.ScopeOpened(
            at=AT, cause=1, task=task, step="train", width=1, manifest=manifest, frames=frames
        )
        yield task_created(100 + task, "inner", run=run, scope=task, index=0, parent=manifest)


def _bad_end(task: int, number: int, *, is_lost: bool) -> ev.Event:
    if is_lost:
        return ev.AttemptLost(at=AT + 3, cause=1, task=task, number=number, reason="gone \udcff")
    return ev.AttemptFailed(
        at=AT + 3, cause=1, task=task, number=number, error=ERROR, artifacts=ARTIFACTS[:1]
    )
