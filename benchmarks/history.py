"""Makes a long history: many runs of a few flows, driven through the real machine into the real log, without processes.

python -m benchmarks.history HOME [RUNS] [TASKS PER RUN]     10,000 runs and 1,000,000 tasks take some minutes
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Sequence
from contextlib import closing

from asyncflow.events.database import open_writer, transaction
from asyncflow.events.ledger import Ledger
from asyncflow.machine.decide import step_all
from asyncflow.machine.events import Event, Limits
from asyncflow.machine.facts import Fact, RunRequested, WorkerReported, WorkerStarted
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import ArtifactRef, ErrorInfo, Failed, Succeeded, Usage
from asyncflow.machine.state import RunState
from asyncflow.store.layout import DATABASE
from benchmarks.scheduler_alone import graph_of_foreach

__all__ = ["make_history"]

_USERS = ("ada", "grace", "alan", "barbara")
_FLOWS = ("TrainFlow", "ScoreFlow", "ImportFlow")
_FIRST = 1_760_000_000.0
_APART_S = 600.0
_TOGETHER = 20
"""Runs in one transaction."""


def make_history(home: str, runs: int, tasks: int, *, seed: int = 0) -> None:
    """Write a store with so many runs; one in ten fails.

    Args:
        home: The store's directory, which is made if it is missing.
        runs: How many runs.
        tasks: How many tasks each has, three at least.
        seed: Same seed, same history.
    """
    os.makedirs(home, mode=0o700, exist_ok=True)
    chance = random.Random(seed)
    path = f"{home}/{DATABASE}"
    with closing(open_writer(path)) as db:
        ledger = Ledger(db, path)
        for first in range(0, runs, _TOGETHER):
            with transaction(db):
                for _ in range(first, min(first + _TOGETHER, runs)):
                    _write_run(ledger, ledger.new_run_id(), tasks, chance)
            ledger.forget()


def _write_run(ledger: Ledger, run: int, tasks: int, chance: random.Random) -> None:
    at = _FIRST + run * _APART_S
    flow, user = _FLOWS[run % len(_FLOWS)], _USERS[run % len(_USERS)]
    state = RunState(graph=graph_of_foreach(flow))
    fails = chance.random() < 0.1
    tags = (f"week{run % 52}", "nightly") if run % 2 else ()
    request = RunRequested(
        at=at, run=run, user=user, tags=tags, limits=Limits(slots=16), meta={"class": flow}
    )
    pending: list[Event] = list(step_all(state, [request]).events)
    while not state.is_over:
        at += chance.uniform(0.1, 3.0)
        facts = _facts_of(state, at, tasks - 3, fails)
        pending += step_all(state, facts).events
    ledger.append(run, pending, 0)


def _facts_of(state: RunState, at: float, width: int, fails: bool) -> list[Fact]:
    facts: list[Fact] = []
    for task in list(state.running):
        attempt = Attempt(task, state.tasks[task].number)
        step = state.tasks[task].step
        facts.append(WorkerStarted(at=at - 0.05, attempt=attempt, where="node", pid=1000 + task))
        facts.append(WorkerReported(at=at, attempt=attempt, outcome=_outcome(step, task, at, width, fails)))
    return facts


def _outcome(step: str, task: int, at: float, width: int, fails: bool) -> Succeeded | Failed:
    usage = Usage(at - 0.05, at, 0.04, 20_000_000)
    if fails and step not in ("start", "end") and task % 50 == 3:
        return Failed(error=ErrorInfo("builtins.ValueError", "bad luck", "ValueError: bad luck"), usage=usage)
    artifacts: Sequence[ArtifactRef] = (ArtifactRef("result", f"{task:040x}", 16, "builtins.int"),)
    return Succeeded(width=width if step == "start" else None, artifacts=tuple(artifacts), usage=usage)


if __name__ == "__main__":
    begun = time.perf_counter()
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    each = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    make_history(sys.argv[1], count, each)
    sys.stdout.write(f"{count:,} runs, {count * each:,} tasks in {time.perf_counter() - begun:.0f} s\n")
