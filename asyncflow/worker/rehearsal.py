"""Runs a few attempts of a flow of ours in the zygote, so that no task is the first to run the code it runs.

CPython 3.11 and later rewrite code while it is run the first times (specialised instructions, counters), and fill
caches of types and names. In a fork each page that this writes to is copied, for every task anew: 60 of 570 pages of a
foreach child, and a tenth of the processor time of a run of 1,000 (measured, interleaved).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from asyncflow.errors import StoreError
from asyncflow.flow.current import current
from asyncflow.flow.decorators.card import card
from asyncflow.flow.spec import FlowSpec
from asyncflow.flow.steps import step
from asyncflow.machine.ids import Attempt, ManifestKey
from asyncflow.machine.outcome import Outcome
from asyncflow.store.local import LocalStore
from asyncflow.worker.attempt import preload, prepare
from asyncflow.worker.binding import Origins
from asyncflow.worker.parameters import write_parameters
from asyncflow.worker.spec import RunSpec, TaskSpec

__all__ = ["rehearse"]

_RUN = 1
_TIMES = 5
"""Code is rewritten at its eighth call, and once more soon after."""


class _Rehearsal(FlowSpec):
    """As much of a flow as most have."""

    @step
    def start(self) -> None:
        self.numbers = [1, 2]
        self.next(self.work, foreach="numbers")

    @step
    def work(self) -> None:
        self.result = self.input
        self.next(self.join)

    @step
    def join(self, inputs: Any) -> None:  # Any: as a user's flow has it
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


class _CardRehearsal(_Rehearsal):
    """The same, with cards."""

    @card
    @step
    def start(self) -> None:
        self.numbers = [1, 2]
        self.next(self.work, foreach="numbers")

    @card
    @step
    def work(self) -> None:
        self.result = self.input
        current.card.append("text")
        self.next(self.join)


def rehearse(directory: str, tell: Callable[[Attempt, Outcome], None], *, with_cards: bool = False) -> None:
    """Run the attempts, in a store that is made in `directory` and removed again; nothing goes wrong if it cannot be.

    Args:
        directory: Where to; a rehearsal that is killed leaves some KB there.
        tell: Called with every outcome.
        with_cards: The attempts have cards, as those of the flow that is to come.
    """
    root = f"{directory}/{os.getpid()}.{os.urandom(6).hex()}.rehearsal"
    try:
        os.mkdir(root, 0o700)
    except OSError:
        return
    try:
        _play(_CardRehearsal if with_cards else _Rehearsal, LocalStore(root), tell)
    except StoreError:
        return  # no room: the run itself will say so
    finally:
        _remove(root)


def _play(flow: type[FlowSpec], store: LocalStore, tell: Callable[[Attempt, Outcome], None]) -> None:
    preload(flow)
    parameters = write_parameters(store, _RUN, "Rehearsal", {}, {}, {})
    run = RunSpec(
        run=_RUN, flow="Rehearsal", flow_file="", store_root=store.root, parameters=parameters, user=""
    )
    start = ManifestKey(_RUN, 1, 0)
    specs = [
        TaskSpec(run=_RUN, attempt=Attempt(1, 0), step="start", inputs=[parameters]),
        TaskSpec(run=_RUN, attempt=Attempt(2, 0), step="work", inputs=[start], index=0, width=2),
        TaskSpec(run=_RUN, attempt=Attempt(3, 0), step="work", inputs=[start], index=1, width=2),
    ]
    for _ in range(_TIMES):
        origins = Origins(store)
        for spec in specs:
            tell(spec.attempt, prepare(flow, run, spec, origins).run())


def _remove(root: str) -> None:
    for directory, _, names in os.walk(root, topdown=False):
        try:
            for name in names:
                os.unlink(f"{directory}/{name}")
            os.rmdir(directory)
        except OSError:
            return  # somebody looks into it; a few KB stay
