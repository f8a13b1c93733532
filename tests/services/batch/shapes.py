"""From a job definition and what a submission overrides to the containers of a job. Pure."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
"""A part of a request or an answer, as AWS spells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What one container is to be."""

    container: Json
    """As `describe_jobs` tells it, without what is known only once it runs."""
    override_bytes: int = 0

    @property
    def image(self) -> str:
        return str(self.container.get("image", ""))

    @property
    def command(self) -> list[str]:
        return list(self.container.get("command", ()))

    @property
    def environment(self) -> dict[str, str]:
        return {each["name"]: each["value"] for each in self.container.get("environment", ())}

    @property
    def vcpus(self) -> float:
        return float(self._needed("VCPU", self.container.get("vcpus", 1)))

    @property
    def memory_mib(self) -> int:
        return int(self._needed("MEMORY", self.container.get("memory", 0)))

    @property
    def gpus(self) -> int:
        return int(self._needed("GPU", 0))

    @property
    def log_options(self) -> Mapping[str, str]:
        return self.container.get("logConfiguration", {}).get("options") or {}

    def _needed(self, kind: str, otherwise: Any) -> Any:
        for each in self.container.get("resourceRequirements", ()):
            if each["type"] == kind:
                return each["value"]
        return otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to run for one job: one container, or one for each node of a gang."""

    shapes: Sequence[Shape]
    main_node: int = 0
    is_gang: bool = False

    @property
    def vcpus(self) -> float:
        return sum(shape.vcpus for shape in self.shapes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One line of `evaluateOnExit`."""

    action: str
    on_exit_code: str | None = None
    on_reason: str | None = None
    on_status_reason: str | None = None

    def holds(self, exit_code: int | None, reason: str, status_reason: str) -> bool:
        """Say whether all that it names is so."""
        told = (
            (self.on_exit_code, "" if exit_code is None else str(exit_code)),
            (self.on_reason, reason),
            (self.on_status_reason, status_reason),
        )
        return all(pattern is None or is_like(text, pattern) for pattern, text in told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often, and when."""

    attempts: int = 1
    conditions: Sequence[Condition] = field(default_factory=tuple)
    told: Json = field(default_factory=dict)
    """As `describe_jobs` tells it."""

    def again(self, tried: int, exit_code: int | None, reason: str, status_reason: str) -> bool:
        """Say whether a failed attempt is followed by another: the first line that holds decides, else yes."""
        if tried >= self.attempts:
            return False
        for condition in self.conditions:
            if condition.holds(exit_code, reason, status_reason):
                return condition.action == "retry"
        return True


def is_like(text: str, pattern: str) -> bool:
    """Compare as Batch does: whole, or up to an asterisk at the end."""
    if pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    return text == pattern


def retry_of(given: Json | None, default: Json | None) -> Retry:
    """Read a `retryStrategy`, the submission's before the definition's."""
    strategy = given or default or {}
    lines = strategy.get("evaluateOnExit") or []
    conditions = tuple(
        Condition(
            action=line["action"].lower(),
            on_exit_code=line.get("onExitCode"),
            on_reason=line.get("onReason"),
            on_status_reason=line.get("onStatusReason"),
        )
        for line in lines
    )
    attempts = int(strategy.get("attempts") or 1)
    return Retry(
        attempts=attempts, conditions=conditions, told={"attempts": attempts, "evaluateOnExit": lines}
    )


def merged(properties: Json, overrides: Json | None, parameters: Mapping[str, str]) -> Shape:
    """Return a container's shape: overrides before the definition, by name and by kind of resource."""
    container = copy.deepcopy(properties)
    given = overrides or {}
    for name in ("command", "instanceType"):
        if given.get(name):
            container[name] = given[name]
    container["command"] = [_filled(word, parameters) for word in container.get("command", ())]
    container["environment"] = _by("name", container.get("environment"), given.get("environment"))
    needs = list(given.get("resourceRequirements") or ())
    needs += [
        {"type": kind, "value": str(given[name])}
        for name, kind in (("vcpus", "VCPU"), ("memory", "MEMORY"))
        if name in given
    ]
    container["resourceRequirements"] = _by("type", container.get("resourceRequirements"), needs)
    for name in ("mountPoints", "volumes", "ulimits", "secrets"):
        container.setdefault(name, [])
    return Shape(container=container, override_bytes=len(json.dumps(given, separators=(",", ":"))))


def gang(properties: Json, overrides: Json | None, parameters: Mapping[str, str]) -> Plan:
    """Return the containers of a multi-node job, in the order of the nodes."""
    given = overrides or {}
    count = int(given.get("numNodes") or properties["numNodes"])
    bases: dict[int, Json] = {}
    for part in properties["nodeRangeProperties"]:
        for node in node_range(part["targetNodes"], count):
            bases[node] = part["container"]
    more: dict[int, Json] = {}
    for part in given.get("nodePropertyOverrides") or ():
        for node in node_range(part["targetNodes"], count):
            more[node] = part.get("containerOverrides") or {}
    shapes = [merged(bases[node], more.get(node), parameters) for node in range(count)]
    return Plan(shapes=shapes, main_node=int(properties["mainNode"]), is_gang=True)


def node_range(text: str, count: int) -> range:
    """Read `0:3`, `2:`, `:1` or `5`; both ends belong to it."""
    first, colon, last = text.partition(":")
    start = int(first or 0)
    if not colon:
        return range(start, start + 1)
    return range(start, min(int(last or count - 1), count - 1) + 1)


def _filled(word: str, parameters: Mapping[str, str]) -> str:
    """Put parameters in the place of `Ref::name`."""
    name = word.removeprefix("Ref::")
    return parameters.get(name, word) if name != word else word


def _by(key: str, old: Sequence[Json] | None, new: Sequence[Json] | None) -> list[Json]:
    return list({each[key]: each for each in [*(old or ()), *(new or ())]}.values())
