"""A flow's graph as SVG: steps in layers from left to right, edges as curves."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from asyncflow.cards.html.shown import shown
from asyncflow.cards.tree import Dag, DagStep

__all__ = ["graph_svg", "layers_of"]

MOST_STEPS = 150
_BOX_H, _GAP_X, _GAP_Y = 44, 46, 18
_WORDS = {
    "split-static": "branches",
    "split-foreach": "foreach",
    "split-parallel": "gang",
    "split-switch": "switch",
    "join": "join",
}


def graph_svg(dag: Dag) -> Markup:
    """Return the graph; empty if it has no steps or too many to be drawn."""
    if not dag.steps or len(dag.steps) > MOST_STEPS:
        return Markup("")
    layers = layers_of(dag)
    boxes = _boxes(layers, {step.name: step for step in dag.steps})
    width = max(box.x + box.width for box in boxes.values()) + 6
    depth = {name: number for number, layer in enumerate(layers) for name in layer}
    loops = any(depth[to] <= depth[step.name] for step in dag.steps for to in step.next if to in depth)
    height = max(box.y for box in boxes.values()) + _BOX_H + (30 if loops else 12)
    edges = [
        _edge(boxes[step.name], boxes[target], is_back=depth[target] <= depth[step.name])
        for step in dag.steps
        for target in step.next
        if target in boxes
    ]
    steps = [_step(boxes[step.name], step, is_current=step.name == dag.current) for step in dag.steps]
    return Markup(
        f'<svg class="dag" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" '
        f'aria-label="the flow\'s graph">{"".join(edges)}{"".join(steps)}</svg>'
    )


def layers_of(dag: Dag) -> list[list[str]]:
    """Return the steps' names in layers: each step stands behind all that lead to it, loops left aside."""
    order = {step.name: number for number, step in enumerate(dag.steps)}
    depth = dict.fromkeys(order, 0)
    for step in dag.steps:
        for target in step.next:
            if target in order and order[target] > order[step.name]:
                depth[target] = max(depth[target], depth[step.name] + 1)
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for name, at in depth.items():
        layers[at].append(name)
    return layers


class _Box:
    __slots__ = ("width", "x", "y")

    def __init__(self, x: float, y: float, width: float) -> None:
        self.x, self.y, self.width = x, y, width


def _label(name: str) -> str:
    return name if len(name) <= 26 else f"{name[:12]}…{name[-12:]}"


def _boxes(layers: list[list[str]], steps: Mapping[str, DagStep]) -> dict[str, _Box]:
    tallest = max(len(layer) for layer in layers) * (_BOX_H + _GAP_Y) - _GAP_Y
    boxes: dict[str, _Box] = {}
    x = 6.0
    for layer in layers:
        width = max(max(len(_label(name)) * 7.6 + 30, 84) for name in layer)
        top = 12 + (tallest - (len(layer) * (_BOX_H + _GAP_Y) - _GAP_Y)) / 2
        for number, name in enumerate(layer):
            boxes[name] = _Box(x, top + number * (_BOX_H + _GAP_Y), width)
        x += width + _GAP_X
    return boxes


def _step(box: _Box, step: DagStep, *, is_current: bool) -> str:
    word = _WORDS.get(step.kind, "")
    classes = " ".join(
        filter(None, ("step", "here" if is_current else "", f"is-{step.status}" if step.status else ""))
    )
    middle = box.x + box.width / 2
    name_y = box.y + (20 if word else 27)
    below = f'<text class="kind" x="{middle:g}" y="{box.y + 35:g}">{word}</text>' if word else ""
    told = shown(f"{step.name}: {step.doc}" if step.doc else step.name)
    return (
        f'<g class="{shown(classes)}"><title>{told}</title>'
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{_BOX_H}" rx="9"/>'
        f'<text x="{middle:g}" y="{name_y:g}">{shown(_label(step.name))}</text>{below}</g>'
    )


def _edge(begin: _Box, end: _Box, *, is_back: bool) -> str:
    if is_back:
        x1, x2 = begin.x + begin.width / 2, end.x + end.width / 2
        y = max(begin.y, end.y) + _BOX_H
        bow, x1, x2 = y + 24, x1 + 8, x2 - 8
        begin_y, end_y = begin.y + _BOX_H, end.y + _BOX_H
        way = f"M{x1:g},{begin_y:g} C{x1:g},{bow:g} {x2:g},{bow:g} {x2:g},{end_y:g}"
        return f'<path class="edge back" d="{way}"/>'
    x1, y1 = begin.x + begin.width, begin.y + _BOX_H / 2
    x2, y2 = end.x, end.y + _BOX_H / 2
    middle = (x1 + x2) / 2
    tip = f'<path class="tip" d="M{x2:g},{y2:g} l-7,-4 v8 z"/>'
    return (
        f'<path class="edge" d="M{x1:g},{y1:g} C{middle:g},{y1:g} {middle:g},{y2:g} {x2 - 6:g},{y2:g}"/>{tip}'
    )
