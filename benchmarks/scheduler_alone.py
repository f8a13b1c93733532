"""The scheduler and the real log without processes: a foreach whose tasks succeed as soon as they are launched.

python -m benchmarks.scheduler_alone WIDTH [SLOTS]
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence

import anyio

from asyncflow.backends.base import Capabilities
from asyncflow.events.sqlite_log import SqliteLog
from asyncflow.machine.events import Limits, RunStatus
from asyncflow.machine.facts import Fact, RunRequested, WorkerReported, WorkerStarted
from asyncflow.machine.graph import Graph, StepNode, Transition
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import ArtifactRef, Succeeded, Usage
from asyncflow.machine.state import RunState
from asyncflow.runtime.clock import SystemClock
from asyncflow.runtime.driver import Driver
from asyncflow.store.layout import DATABASE
from asyncflow.worker.spec import TaskSpec

__all__ = ["Instant", "graph_of_foreach", "run"]

SLOTS = 16


class Instant:
    """A backend whose attempts end at once, each with one artifact of its own."""

    capabilities = Capabilities(name="instant", survives_driver=False, shares_filesystem=True)

    def __init__(self, width: int) -> None:
        self._width = width
        self._facts: list[Fact] = []
        self._arrived = anyio.Event()

    async def launch(self, spec: TaskSpec) -> None:
        """Report a start and a success."""
        at = time.time()
        outcome = Succeeded(
            width=self._width if spec.step == "start" else None,
            artifacts=(ArtifactRef("result", f"{spec.attempt.task:040x}", 16, "builtins.int"),),
            usage=Usage(at, at, 0.001, 20_000_000),
        )
        self._facts += (
            WorkerStarted(at=at, attempt=spec.attempt, where="here", pid=spec.attempt.task),
            WorkerReported(at=at, attempt=spec.attempt, outcome=outcome),
        )
        self._arrived.set()

    async def stop(self, attempt: Attempt, *, force: bool) -> None:
        """Nothing runs that could be stopped."""

    async def facts(self) -> AsyncGenerator[Sequence[Fact], None]:
        """Yield what was launched since."""
        while True:
            await self._arrived.wait()
            self._arrived = anyio.Event()
            facts, self._facts = self._facts, []
            yield facts

    async def adopt(self, attempts: Sequence[Attempt]) -> Sequence[Fact]:
        """Nothing lived before."""
        return ()

    async def aclose(self) -> None:
        """Nothing is held."""


def graph_of_foreach(flow: str = "SimulatedFlow") -> Graph:
    """Return start, a foreach over `work`, a join, end."""
    nodes = [
        StepNode(name="start", transition=Transition.FOREACH, next=("work",)),
        StepNode(name="work", transition=Transition.LINEAR, next=("join",)),
        StepNode(name="join", transition=Transition.LINEAR, next=("end",), closes="start"),
        StepNode(name="end", transition=Transition.END),
    ]
    return Graph(flow=flow, start="start", end="end", steps={node.name: node for node in nodes})


async def run(width: int, slots: int, directory: str) -> float:
    """Drive the flow once; return the seconds from the first fact to the end."""
    async with SqliteLog(os.path.join(directory, DATABASE)) as log:
        run_id = await log.create_run_id()
        clock = SystemClock()
        driver = Driver(
            RunState(graph=graph_of_foreach()),
            log=log,
            backend=Instant(width),
            clock=clock,
            publish=lambda seq, events: None,
        )
        asked = RunRequested(at=clock.now(), run=run_id, user="bench", limits=Limits(slots=slots))
        began = time.perf_counter()
        status = await driver.drive(run_id, [asked])
        took = time.perf_counter() - began
    if status is not RunStatus.SUCCEEDED or driver.state.succeeded != width + 3:
        raise SystemExit(f"the run did not go well: {status}, {driver.state.succeeded} tasks")
    return took


def main() -> None:
    """Run it in a directory of its own, and print the figures."""
    width = int(sys.argv[1])
    slots = int(sys.argv[2]) if len(sys.argv) > 2 else SLOTS
    with tempfile.TemporaryDirectory(dir=".") as directory:
        took = anyio.run(run, width, slots, directory)
        size = os.path.getsize(os.path.join(directory, DATABASE))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"RUN_S {took:.6f}\n")
    sys.stdout.write(f"{width / took:,.0f} tasks/s, peak {peak:,.0f} MB, log {size / 2**20:,.0f} MB\n")


if __name__ == "__main__":
    main()
