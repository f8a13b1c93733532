"""Questions about a graph's shape that need a walk: does it run in a circle, do branches of a split overlap."""

from __future__ import annotations

from asyncflow.flow.graph import FlowGraph, StepInfo
from asyncflow.machine.graph import Transition

__all__ = ["branch_overlap", "cycle"]


def cycle(graph: FlowGraph) -> list[str]:
    """Return the steps of a circle, the first one repeated at the end; empty if there is none.

    A switch that names itself is no circle.
    """
    done: dict[str, None] = {}
    for root in graph.steps:
        path: dict[str, list[str]] = {}
        todo = [] if root in done else [root]
        while todo:
            name = todo[-1]
            if name not in path:
                path[name] = _forward(graph.steps[name])
            ahead = path[name]
            if not ahead:
                done[name] = None
                del path[name]
                todo.pop()
                continue
            target = ahead.pop(0)
            if target in path:
                names = list(path)
                return [*names[names.index(target) :], target]
            if target not in done and target in graph.steps:
                todo.append(target)
    return []


def _forward(info: StepInfo) -> list[str]:
    is_switch = info.transition is Transition.SWITCH
    return [target for target in info.targets if not (is_switch and target == info.name)]


def branch_overlap(graph: FlowGraph, split: StepInfo) -> str:
    """Return a step that lies in two branches of a split before its join, or an empty text."""
    branch_of: dict[str, str] = {}
    for branch in split.targets:
        todo = [branch]
        while todo:
            name = todo.pop()
            info = graph.steps[name]
            if info.closes == split.name or branch_of.get(name) == branch:
                continue
            if name in branch_of:
                return name
            branch_of[name] = branch
            todo.extend(info.targets)
    return ""
