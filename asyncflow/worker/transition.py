"""How a finished step hands on: what its `self.next` asked for, checked against the graph, made concrete."""

from __future__ import annotations

from typing import Any

from asyncflow.flow.errors import InvalidNextError
from asyncflow.flow.graph import StepInfo
from asyncflow.flow.next import check_static, chosen_target, foreach_items
from asyncflow.machine.graph import Transition
from asyncflow.records import record
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import Items

__all__ = ["Handover", "SwitchError", "handover_of", "static_handover"]


@record
class Handover:
    """Where the flow goes on from a task."""

    next: tuple[str, ...] = ()
    width: int | None = None
    items: Items | None = None
    variable: str | None = None
    """The foreach's."""
    chosen: str | None = None
    spent: str | None = None
    """Name of an attribute that was used up by the foreach (a generator), and so is no artifact."""


class SwitchError(RuntimeError):
    """No case of the switch has the value of its condition. Another try cannot help."""


def handover_of(flow: Any, info: StepInfo, store: LocalStore) -> Handover:  # Any: a FlowSpec
    """Return where the step's `self.next` leads; stores the items of a foreach.

    Raises:
        InvalidNextError: It was not called, or is not what the graph says.
        SwitchError: The switch has no case for the value; the message lists them.
        StoreError: The items cannot be stored.
        UnpicklableArtifact: An item cannot be pickled.
    """
    call = flow._next
    if call is None:
        if info.transition is Transition.END:
            return Handover()
        raise InvalidNextError(
            f"Step {info.name} ended without calling self.next",
            where=info.where,
            source=info.source,
            hint=f"It has to go on to {', '.join(info.targets)}: do not return before self.next(...).",
        )
    check_static(info, call)
    if call.foreach is not None:
        iterable = foreach_items(flow, call)
        items = store.write_items(iterable, path=f"self.{call.foreach}")
        spent = call.foreach if iter(iterable) is iterable else None
        return Handover(next=call.targets, width=items.width, items=items, variable=call.foreach, spent=spent)
    if call.condition is not None:
        try:
            return Handover(next=call.targets, chosen=chosen_target(flow, call))
        except RuntimeError as error:
            raise SwitchError(str(error)) from None
    if info.transition is Transition.PARALLEL and call.num_parallel is None:
        raise InvalidNextError(
            f"Step {info.name} went to {call.targets[0]} with num_parallel=None",
            where=info.next_where,
            source=info.next_source,
            hint="Give the number of nodes, 1 or more.",
        )
    return Handover(next=call.targets, width=call.num_parallel)


def static_handover(info: StepInfo) -> Handover:
    """Return where the flow goes on from a step whose failure was caught: to what stands in its `self.next`."""
    return Handover(next=info.targets)
