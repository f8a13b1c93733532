"""What permits cost the scheduler: the foreach of `scheduler_alone`, with and without limits on its tasks.

python -m benchmarks.limits_alone WIDTH [AT_A_TIME]

Prints the time without limits with as many slots as the limit has permits, so that turns are alike, then under
@concurrency with more slots than permits, then under @rate_limit at a rate that is never reached.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import replace

import anyio

from asyncflow.events.sqlite_log import SqliteLog
from asyncflow.machine.events import Limits, RunStatus
from asyncflow.machine.facts import RunRequested
from asyncflow.machine.graph import Graph, Permit
from asyncflow.machine.state import RunState
from asyncflow.runtime.clock import SystemClock
from asyncflow.runtime.driver import Driver
from asyncflow.runtime.limits import Limiter
from asyncflow.store.layout import DATABASE
from benchmarks.scheduler_alone import Instant, graph_of_foreach

__all__ = ["run", "with_permits"]

AT_A_TIME = 5
NEVER_REACHED = 100_000_000


def with_permits(*permits: Permit) -> Graph:
    """Return the foreach of `scheduler_alone`, whose tasks need permits."""
    graph = graph_of_foreach()
    work = replace(graph.steps["work"], permits=permits)
    return replace(graph, steps={**graph.steps, "work": work})


async def run(graph: Graph, width: int, slots: int) -> float:
    """Drive the flow once, in a store and with ledgers of its own; return the seconds it took."""
    with tempfile.TemporaryDirectory(dir=".") as directory:
        ledgers = os.path.join(directory, "limits")
        os.makedirs(os.path.join(ledgers, "owners"))
        state = RunState(graph=graph)
        async with (
            SqliteLog(os.path.join(directory, DATABASE)) as log,
            Limiter(state, run="bench", directory=ledgers) as limiter,
        ):
            run_id = await log.create_run_id()
            clock = SystemClock()
            driver = Driver(
                state,
                log=log,
                backend=Instant(width),
                clock=clock,
                publish=lambda seq, events: None,
                limiter=limiter if state.permits else None,
            )
            asked = RunRequested(at=clock.now(), run=run_id, user="bench", limits=Limits(slots=slots))
            began = time.perf_counter()
            status = await driver.drive(run_id, [asked])
            took = time.perf_counter() - began
    if status is not RunStatus.SUCCEEDED or driver.state.succeeded != width + 3:
        raise SystemExit(f"the run did not go well: {status}, {driver.state.succeeded} tasks")
    return took


def main() -> None:
    """Run all three, and print time and cost per task."""
    width = int(sys.argv[1])
    at_a_time = int(sys.argv[2]) if len(sys.argv) > 2 else AT_A_TIME
    runs = {
        "no limit": (with_permits(), at_a_time),
        f"{at_a_time} at a time": (with_permits(Permit("bench", at_a_time)), 2 * at_a_time),
        "a rate": (with_permits(Permit("bench", NEVER_REACHED, 1.0)), at_a_time),
    }
    for name, (graph, slots) in runs.items():
        took = anyio.run(run, graph, width, slots)
        sys.stdout.write(f"{name:15} {took:8.2f} s   {took / width * 1e6:8.1f} us a task\n")


if __name__ == "__main__":
    main()
