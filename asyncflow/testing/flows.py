"""Runs a whole flow in the process of the test: the real machine, real steps, no processes and no time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import anyio
import anyio.to_thread

from asyncflow.backends.base import Capabilities
from asyncflow.errors import AsyncflowError
from asyncflow.flow.graph import FlowGraph
from asyncflow.flow.lint import check
from asyncflow.flow.parse import parse_flow
from asyncflow.flow.spec import FlowSpec
from asyncflow.machine.events import Event, Limits, RunStatus, TaskFailed
from asyncflow.machine.facts import Fact, RunRequested, WorkerLost, WorkerReported, WorkerStarted
from asyncflow.machine.graph import Graph, Resources
from asyncflow.machine.ids import Attempt, ManifestKey
from asyncflow.machine.outcome import Failed
from asyncflow.machine.state import RunState
from asyncflow.records import replace
from asyncflow.runtime.clock import Clock
from asyncflow.runtime.driver import Driver
from asyncflow.store.local import LocalStore
from asyncflow.testing.clock import FakeClock
from asyncflow.testing.log import MemoryLog
from asyncflow.testing.results import StepResult, result_of
from asyncflow.testing.scratch import RUN, run_spec, scratch_store
from asyncflow.worker.attempt import prepare
from asyncflow.worker.binding import Origins
from asyncflow.worker.spec import RunSpec, TaskSpec

__all__ = ["FlowFailed", "FlowResult", "run_flow", "run_flow_sync"]

_SLOTS = 1_000_000


class FlowFailed(AsyncflowError):
    """A flow under test failed; the exception of the step that failed first is its cause."""

    headline = "The flow failed"


class FlowResult:
    """What a run under test left. The end step's artifacts can be read as attributes: `result.best`.

    Args:
        status: `succeeded` or `failed`.
        tasks: What each task left that left anything, in order of creation.
        errors: What was raised by attempts that failed, retried ones included, in order.
        end: Name of the end step.
    """

    def __init__(
        self, status: str, tasks: Sequence[StepResult], errors: Sequence[BaseException], end: str
    ) -> None:
        self.status = status
        self.tasks = tasks
        self.errors = errors
        self._end = end

    def __getitem__(self, step: str) -> list[StepResult]:
        """Return what the tasks of a step left, in order of creation."""
        return [task for task in self.tasks if task.step == step]

    @property
    def steps(self) -> list[str]:
        """The step of each task, in order of creation."""
        return [task.step for task in self.tasks]

    @property
    def data(self) -> StepResult:
        """What the end step left. Raises LookupError if it has not run."""
        found = self[self._end]
        if not found:
            raise LookupError(f"the run {self.status}, and its end step has left nothing")
        return found[-1]

    def __getattr__(self, name: str) -> Any:  # Any: the user's object
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return getattr(self.data, name)
        except LookupError as error:
            raise AttributeError(f"no artifact '{name}': {error}") from None

    def __repr__(self) -> str:
        return f"<FlowResult {self.status}: {', '.join(self.steps)}>"


async def run_flow(
    flow: type[FlowSpec],
    params: Mapping[str, object] | None = None,
    *,
    tags: Sequence[str] = (),
    may_fail: bool = False,
) -> FlowResult:
    """Run a flow, one task after another in a thread of this process, always in the same order.

    The machine is the real one: splits, joins, switches, retries and @catch are as ever, and waits for a retry take
    no time. Nothing is stored but in memory. @timeout, @resources, @concurrency and @rate_limit do not count; tasks
    of a gang run one after another, so they must not wait for each other.

    Args:
        flow: The flow's class.
        params: Values of its parameters; the others have their defaults.
        tags: The run's tags.
        may_fail: A flow that fails is no exception: see `status` and `errors` of the result.

    Raises:
        FlowFailed: The flow failed; its cause is what the step raised.
        UserError: The flow or a parameter is wrong.
    """
    graph = parse_flow(flow)
    check(graph)
    with scratch_store() as store:
        spec = run_spec(flow, store, params or {}, tuple(tags))
        backend = _InProcessBackend(flow, spec, store, FakeClock())
        state = await _drive(graph, spec, backend)
        results = [result_of(store, key, attempts) for key, attempts in sorted(backend.left.items())]
    status = RunStatus.FAILED if state.status is None else state.status
    if status != RunStatus.SUCCEEDED and not may_fail:
        cause = backend.root_cause
        said = f": {type(cause).__name__}: {cause}" if cause else ""
        raise FlowFailed(f"Flow {graph.name} {status}{said}") from cause
    return FlowResult(str(status), results, backend.errors, graph.end)


def run_flow_sync(
    flow: type[FlowSpec],
    params: Mapping[str, object] | None = None,
    *,
    tags: Sequence[str] = (),
    may_fail: bool = False,
) -> FlowResult:
    """Run a flow where there is no event loop; see `run_flow`."""

    async def main() -> FlowResult:
        return await run_flow(flow, params, tags=tags, may_fail=may_fail)

    return anyio.run(main)


async def _drive(graph: FlowGraph, spec: RunSpec, backend: _InProcessBackend) -> RunState:
    state = RunState(graph=_without_limits(graph.to_machine()))
    driver = Driver(state, log=MemoryLog(), backend=backend, clock=backend.clock, publish=backend.see)
    limits = Limits(slots=_SLOTS, async_slots=_SLOTS)
    first = RunRequested(at=backend.clock.now(), run=RUN, user=spec.user, tags=spec.tags, limits=limits)
    await driver.drive(RUN, [first])
    return state


def _without_limits(graph: Graph) -> Graph:
    """Leave out what has no meaning where tasks run one after another and time stands still."""
    steps = {
        name: replace(node, timeout_s=None, permits=(), resources=Resources())
        for name, node in graph.steps.items()
    }
    return replace(graph, steps=steps)


class _InProcessBackend:
    """Runs attempts one after another, in the order of their launch, in a thread of this process."""

    capabilities = Capabilities(name="in-process", survives_driver=False, shares_filesystem=True)

    def __init__(self, flow: type, run: RunSpec, store: LocalStore, clock: Clock) -> None:
        self.clock = clock
        self.left: dict[ManifestKey, int] = {}
        """Manifest of each task that succeeded, and how many attempts it took."""
        self.errors: list[BaseException] = []
        self.root_cause: BaseException | None = None
        """What the last attempt of the first task raised that failed for good."""
        self._flow, self._run, self._store = flow, run, store
        self._origins = Origins(store)
        self._waiting: dict[Attempt, TaskSpec] = {}
        self._arrived = anyio.Event()
        self._stopped: list[Attempt] = []
        self._last_errors: dict[int, BaseException] = {}

    def see(self, first_seq: int, events: Sequence[Event]) -> None:
        """Look for the root cause in a turn's events."""
        for event in events:
            if isinstance(event, TaskFailed) and self.root_cause is None:
                self.root_cause = self._last_errors.get(event.task)

    async def launch(self, spec: TaskSpec) -> None:
        """Line an attempt up."""
        self._waiting[spec.attempt] = spec
        self._arrived.set()

    async def stop(self, attempt: Attempt, *, force: bool) -> None:
        """Take an attempt out of the line."""
        if self._waiting.pop(attempt, None) is not None:
            self._stopped.append(attempt)
            self._arrived.set()

    async def facts(self) -> AsyncGenerator[Sequence[Fact], None]:
        """Yield what happens, attempt by attempt."""
        while True:
            await self._arrived.wait()
            if self._stopped:
                stopped, self._stopped = self._stopped, []
                yield [
                    WorkerLost(at=self.clock.now(), attempt=attempt, reason="stopped") for attempt in stopped
                ]
            elif self._waiting:
                attempt = next(iter(self._waiting))
                yield await self._facts_of(self._waiting.pop(attempt))
            else:
                self._arrived = anyio.Event()

    async def adopt(self, attempts: Sequence[Attempt]) -> Sequence[Fact]:
        """Say nothing: a run under test is never resumed."""
        return ()

    async def aclose(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    async def _facts_of(self, spec: TaskSpec) -> list[Fact]:
        begun = self.clock.now()
        attempt = prepare(self._flow, self._run, spec, self._origins)
        outcome = await anyio.to_thread.run_sync(attempt.run)
        if attempt.error is not None:
            self.errors.append(attempt.error)
            self._last_errors[spec.attempt.task] = attempt.error
        if not isinstance(outcome, Failed):
            self.left[ManifestKey(RUN, *spec.attempt)] = spec.attempt.number + 1
        return [
            WorkerStarted(at=begun, attempt=spec.attempt, where="in-process", pid=None),
            WorkerReported(at=self.clock.now(), attempt=spec.attempt, outcome=outcome),
        ]
