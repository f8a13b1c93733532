"""A flow's graph as plain data: what a run stores as `_graph_info`, and `graph --json` prints."""

from __future__ import annotations

from typing import Any

from asyncflow.flow.decorators.flow_level import flow_decorators_of
from asyncflow.flow.graph import FlowGraph, StepInfo
from asyncflow.flow.parameters import Parameter, constants_of, parameters_of

__all__ = ["graph_info", "graph_structure"]


def graph_info(graph: FlowGraph) -> dict[str, Any]:  # Any: JSON-like
    """Return the graph as dictionaries, lists and scalars; what JSON cannot say is shown as text."""
    return {
        "file": graph.file.replace("\\", "/").rpartition("/")[2],
        "start_step": graph.start,
        "end_step": graph.end,
        "parameters": [_parameter(item) for item in parameters_of(graph.flow_class).values()],
        "constants": [
            {"name": name, "type": type(value).__name__}
            for name, value in constants_of(graph.flow_class).items()
        ],
        "steps": {name: _step(graph, info) for name, info in graph.steps.items()},
        "graph_structure": graph_structure(graph),
        "doc": graph.doc,
        "decorators": [
            {"name": item.name, "attributes": _plain(item.attributes()), "statically_defined": True}
            for item in flow_decorators_of(graph.flow_class)
        ],
        "extensions": {},
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.attribute,
        "option": parameter.name,
        "type": getattr(parameter.type, "__name__", None) or repr(parameter.type),
        "class": type(parameter).__name__,
        "help": parameter.help or "",
        "required": parameter.required,
    }


def _step(graph: FlowGraph, info: StepInfo) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": info.name,
        "type": str(info.type),
        "line": info.line,
        "source_file": info.file,
        "doc": info.doc,
        "decorators": [
            {"name": item.name, "attributes": _plain(item.shown()), "statically_defined": True}
            for item in info.decorators
        ],
        "next": list(info.targets),
        "node_info": _plain(dict(info.node_info)),
    }
    if info.is_async:
        described["is_async"] = True
    if info.condition is not None:
        described["condition"] = info.condition
        described["switch_cases"] = {str(case): target for case, target in info.cases.items()}
    if info.foreach is not None:
        described["foreach_artifact"] = info.foreach
    if info.num_parallel is not None:
        described["num_parallel"] = info.num_parallel
    if info.opens:
        described["matching_join"] = _join_of(graph, info.name)
    return described


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _join_of(graph: FlowGraph, split: str) -> str | None:
    return next((info.name for info in graph.steps.values() if info.closes == split), None)


def graph_structure(graph: FlowGraph) -> list[Any]:
    """Return the steps in order, each split followed by a list with one such list per branch.

    Switches are shown like splits; what follows their branches comes after them. Meant for good graphs.
    """
    shown: dict[str, None] = {}
    return _sequence(graph, graph.start, stop=None, shown=shown)


def _sequence(graph: FlowGraph, name: str | None, *, stop: str | None, shown: dict[str, None]) -> list[Any]:
    steps: list[Any] = []
    while name is not None and name != stop and name in graph.steps and name not in shown:
        shown[name] = None
        steps.append(name)
        info = graph.steps[name]
        if info.opens:
            join = _join_of(graph, name)
            steps.append([_sequence(graph, target, stop=join, shown=shown) for target in info.targets])
            name = join
        elif len(info.targets) > 1:
            meeting = _meeting(graph, info)
            others = [target for target in info.targets if target not in (name, meeting)]
            steps.append([_sequence(graph, target, stop=meeting, shown=shown) for target in others])
            name = meeting
        else:
            name = info.targets[0] if info.targets else None
    return steps


def _meeting(graph: FlowGraph, info: StepInfo) -> str | None:
    """Return the first step, in graph order, that every case of a switch leads to."""
    reached = [{target, *_descendants(graph, target)} for target in info.targets if target != info.name]
    common = set.intersection(*reached) if reached else set()
    return next((name for name in graph.steps if name in common and name != info.name), None)


def _descendants(graph: FlowGraph, name: str) -> dict[str, None]:
    seen: dict[str, None] = {}
    todo = list(graph.steps[name].targets)
    while todo:
        target = todo.pop()
        if target not in seen and target in graph.steps:
            seen[target] = None
            todo.extend(graph.steps[target].targets)
    return seen
