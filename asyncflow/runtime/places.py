"""Which steps of a flow run elsewhere, on what, and whether they can: looked at before the run begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asyncflow.backends.remote.flights import size_of
from asyncflow.backends.remote.provider import Provider, StepRequest
from asyncflow.backends.remote.registry import provider_named
from asyncflow.errors import UserError
from asyncflow.flow.decorators.builtin import Resources, Timeout
from asyncflow.flow.graph import FlowGraph, StepInfo
from asyncflow.machine.graph import Transition
from asyncflow.records import record
from asyncflow.store.replica import STORE_VARIABLE, remote_url

__all__ = ["NeedsBucket", "Place", "gangs_of", "places_of", "requests_of"]


class NeedsBucket(UserError):
    """Steps are to run where the store cannot be seen."""

    headline = "The store is on this machine"


@record
class Place:
    """A platform, and the steps that run on it."""

    provider: Provider
    steps: Mapping[str, StepRequest]
    settings: Mapping[str, Any]  # Any: what options of the command line said


def places_of(graph: FlowGraph, home: str, settings: Mapping[str, Any]) -> tuple[Place, ...]:
    """Return where the steps run that do not run on this machine.

    Args:
        graph: The flow's.
        home: The store's directory.
        settings: What options of the command line said.

    Raises:
        UserError: A platform is not there, cannot be used with this store, or a step asks for what cannot be.
    """
    return tuple(_place(name, steps, home, settings) for name, steps in requests_of(graph).items())


def requests_of(graph: FlowGraph) -> dict[str, dict[str, StepRequest]]:
    """Return what steps ask for that run elsewhere, by platform and step. Raises UserError."""
    by_name: dict[str, dict[str, StepRequest]] = {}
    for info in graph.steps.values():
        place = info.place
        if place is not None:
            by_name.setdefault(place.name, {})[info.name] = _request(graph, info)
    return by_name


def gangs_of(graph: FlowGraph) -> dict[str, str]:
    """Return the steps that run as gangs, and the split that opens each."""
    return {
        info.targets[0]: info.name for info in graph.steps.values() if info.transition is Transition.PARALLEL
    }


def _place(
    name: str, steps: Mapping[str, StepRequest], home: str, settings: Mapping[str, Any]
) -> Place:  # Any: as above
    provider = provider_named(name)
    if not provider.shares_filesystem and remote_url(home) is None:
        first = next(iter(steps.values()))
        raise NeedsBucket(
            f"Step {first.step} is to run on {name}, which cannot see the store in {home}",
            where=first.where,
            hint=f"Keep the run in a bucket: --store s3://bucket/prefix, or set {STORE_VARIABLE} to that.",
        )
    provider.check(list(steps.values()), settings)
    return Place(provider=provider, steps=steps, settings=settings)


def _request(graph: FlowGraph, info: StepInfo) -> StepRequest:
    place, timeout = info.place, info.decorator(Timeout)
    assert place is not None
    resources: Resources | None = info.decorator(Resources)
    asked: Mapping[str, Any] = {} if resources is None else resources.attributes()
    options = dict(place.attributes())
    if asked.get("shared_memory") and "shared_memory" in options:
        options["shared_memory"] = max(asked["shared_memory"], options["shared_memory"] or 0)
    numbers = {name: asked.get(name) for name in ("cpu", "memory", "gpu", "disk")}
    return StepRequest(
        step=info.name,
        options=options,
        size=size_of(options, numbers),
        timeout_s=None if timeout is None else timeout.timeout_s,
        gang=info.name in gangs_of(graph),
        where=info.where,
    )
