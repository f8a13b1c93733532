"""From a flow class to its graph: the source of every step is read, none is run.

Each file is parsed once, however many steps it holds; a step is found in the tree by its name and first line. Steps
may come from several files, where flows derive from each other.
"""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Mapping
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, cleandoc
from types import FunctionType
from typing import Any

from asyncflow.flow.decorators.attached import decorators_on
from asyncflow.flow.errors import FlowLoadError
from asyncflow.flow.graph import Arrival, FlowGraph, ProblemKind, StepInfo, node_type
from asyncflow.flow.steps import code_of, has_mutators, mark_of, steps_of
from asyncflow.flow.transition import read_next
from asyncflow.machine.graph import Transition
from asyncflow.records import replace

__all__ = ["parse_flow"]

_GRAPH = "__asyncflow_graph__"
_DEFERRED = CO_ASYNC_GENERATOR | CO_GENERATOR

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Functions = Mapping[tuple[str, int], _Function]


def parse_flow(flow_class: type) -> FlowGraph:
    """Return the flow's graph, right or wrong; `lint.check` says which. Read once a class.

    Raises:
        FlowLoadError: The source of a step cannot be found.
    """
    graph = flow_class.__dict__.get(_GRAPH)
    if not isinstance(graph, FlowGraph):
        if has_mutators(flow_class):
            from asyncflow.flow.mutators import mutate  # only for flows that have some

            mutate(flow_class)
        graph = _parse(flow_class)
        setattr(flow_class, _GRAPH, graph)
    return graph


def _parse(flow_class: type) -> FlowGraph:
    methods = steps_of(flow_class)
    files: dict[str, _Functions] = {}
    infos = {name: _read_step(flow_class, name, method, files) for name, method in methods.items()}
    starts = _claimants(infos, "start")
    ends = _claimants(infos, "end")
    for name in ends:
        problem = infos[name].problem
        if problem is not None and problem.kind is ProblemKind.MISSING:
            infos[name] = replace(infos[name], transition=Transition.END, problem=None)
    arrivals = _arrivals(infos, starts[0]) if starts else {}
    steps = {}
    for name in _order(infos, starts):
        info = infos[name]
        splits = arrivals[name][0].splits if arrivals.get(name) else ()
        closes = splits[-1] if info.is_join and splits else None
        steps[name] = replace(info, closes=closes, type=node_type(info, is_start=name in starts[:1]))
    file, line = _class_place(flow_class, infos)
    return FlowGraph(
        name=flow_class.__name__,
        doc=cleandoc(flow_class.__dict__.get("__doc__") or ""),
        file=file,
        line=line,
        steps=steps,
        starts=starts,
        ends=ends,
        arrivals=arrivals,
        flow_class=flow_class,
    )


def _claimants(infos: Mapping[str, StepInfo], role: str) -> tuple[str, ...]:
    """Return the steps that are the start (end): annotated ones, else the one named so, else the only one."""
    annotated = tuple(name for name, info in infos.items() if getattr(info, f"is_{role}"))
    if annotated:
        return annotated
    if role in infos:
        return (role,)
    return tuple(infos) if len(infos) == 1 else ()


def _read_step(flow_class: type, name: str, method: FunctionType, files: dict[str, _Functions]) -> StepInfo:
    code = code_of(method)
    file: str = code.co_filename
    if file not in files:
        files[file] = _functions_in(file, method.__globals__, flow_class)
    function = files[file].get((code.co_name, code.co_firstlineno))
    if function is None:
        raise FlowLoadError(
            f"The source of step {name} of flow {flow_class.__name__} cannot be found",
            where=f"{file}:{code.co_firstlineno}",
            hint="Steps must be written in a file, with `def`; if the file has just been changed, run again.",
        )
    args = function.args
    mark = mark_of(method)
    assert mark is not None
    parsed = read_next(function)
    flags = method.__code__.co_flags  # of the outermost: a wrapper may run what it wraps
    return StepInfo(
        name=name,
        doc=cleandoc(method.__doc__ or ""),
        file=file,
        line=function.lineno,
        source=linecache.getline(file, function.lineno).strip(),
        num_args=len(args.posonlyargs) + len(args.args) + len(args.kwonlyargs) + bool(args.vararg),
        transition=parsed.transition,
        targets=parsed.targets,
        next_line=parsed.line,
        next_source=linecache.getline(file, parsed.line).strip(),
        problem=parsed.problem,
        condition=parsed.condition,
        cases=parsed.cases,
        foreach=parsed.foreach,
        num_parallel=parsed.num_parallel,
        decorators=decorators_on(flow_class, method),
        is_start=mark.is_start,
        is_end=mark.is_end,
        is_deferred=bool(flags & _DEFERRED),
        is_async=bool(flags & CO_COROUTINE) and mark.isolation != "process",
        node_info=mark.node_info,
    )


def _functions_in(file: str, namespace: dict[str, Any], flow_class: type) -> _Functions:
    """Return every function of a file by name and first line, decorators included, as code objects count it."""
    source = "".join(linecache.getlines(file, namespace))
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise FlowLoadError(
            f"The source of flow {flow_class.__name__} changed while it was read: {error.msg}",
            where=f"{file}:{error.lineno}",
            hint="Run again.",
        ) from None
    return {
        (node.name, min([node.lineno, *(item.lineno for item in node.decorator_list)])): node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def _class_place(flow_class: type, infos: Mapping[str, StepInfo]) -> tuple[str, int]:
    """Return file and line of the class statement, as near as can be told without searching."""
    module = sys.modules.get(flow_class.__module__)
    file = getattr(module, "__file__", None) or next((info.file for info in infos.values()), "")
    wanted = f"class {flow_class.__name__}"
    for number, text in enumerate(linecache.getlines(file), start=1):
        words = text.strip()
        if words.startswith(wanted) and words[len(wanted) : len(wanted) + 1] in ("(", ":", " ", "["):
            return file, number
    return file, 1


def _arrivals(infos: Mapping[str, StepInfo], start: str) -> dict[str, tuple[Arrival, ...]]:
    """Walk from the start and note, for each edge, which splits are open on it.

    A step's own position is that of its first arrival; a join has closed the innermost split. A switch opens
    nothing, and its edge to itself leads to where it is already.
    """
    found: dict[str, list[Arrival]] = {start: []}
    todo: list[tuple[str, tuple[str, ...]]] = [(start, ())]
    for name, splits in todo:  # grows while it is walked
        info = infos[name]
        open_splits = splits[:-1] if info.is_join else splits
        after = (*open_splits, name) if info.opens else open_splits
        for target in info.targets:
            if target not in infos or target == name:
                continue
            if target not in found:
                found[target] = []
                todo.append((target, after))
            found[target].append(Arrival(name, after))
    return {name: tuple(arrivals) for name, arrivals in found.items()}


def _order(infos: Mapping[str, StepInfo], starts: tuple[str, ...]) -> list[str]:
    """Return the steps in topological order as far as there is one, branches in the order written."""
    finished: list[str] = []
    seen: dict[str, None] = {}
    for root in starts[:1]:
        stack: list[tuple[str, list[str]]] = [(root, list(infos[root].targets))]
        seen[root] = None
        while stack:
            name, ahead = stack[-1]
            if not ahead:
                finished.append(name)
                stack.pop()
                continue
            target = ahead.pop()  # the last branch first, so that after reversal the first one leads
            if target in infos and target not in seen:
                seen[target] = None
                stack.append((target, list(infos[target].targets)))
    finished.reverse()
    return [*finished, *(name for name in infos if name not in seen)]
