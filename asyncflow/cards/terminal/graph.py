"""The flow's graph as boxes and arrows, in layers from top to bottom; a tree when there are too many steps.

A layer holds the steps that are equally far from the start (by the longest way). Edges between neighbouring layers
are drawn in the rows between them; an edge that skips layers passes through a lane of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from asyncflow.look import Glyphs, Span

__all__ = ["MOST_STEPS", "Label", "Shape", "StepShape", "draw_graph", "layers_of"]

MOST_STEPS = 40
"""A larger graph is drawn as a tree."""
_GAP = 3


class StepShape(Protocol):
    """What is drawn of a step."""

    @property
    def next(self) -> tuple[str, ...]:
        """The steps that it leads to."""
        ...


class Shape(Protocol):
    """What is drawn of a graph: the machine's, or that of a card."""

    @property
    def steps(self) -> Mapping[str, StepShape]:
        """By name, in topological order."""
        ...

    @property
    def start(self) -> str:
        """The first step."""
        ...


class Label(NamedTuple):
    """What stands in a step's box."""

    text: str
    """Under its name."""
    role: str
    """Of the box."""
    title: str
    """Its name, marked or not."""


@dataclass(slots=True)
class _Canvas:
    """Cells by line, each a character and a role."""

    glyphs: Glyphs
    lines: list[dict[int, tuple[str, str]]] = field(default_factory=list[dict[int, tuple[str, str]]])

    def put(self, x: int, y: int, text: str, role: str) -> None:
        """Write text at a place."""
        while len(self.lines) <= y:
            self.lines.append({})
        for offset, character in enumerate(text):
            self.lines[y][x + offset] = (character, role)

    def cross(self, x: int, y: int, character: str, role: str) -> None:
        """Draw a piece of an edge; where there is one already, a crossing."""
        while len(self.lines) <= y:
            self.lines.append({})
        there = self.lines[y].get(x)
        if there is not None and there[0] != character and there[0] != " ":
            character = self.glyphs.tees[4]
        self.lines[y][x] = (character, role)

    def spans(self) -> list[list[Span]]:
        """Return the lines as spans."""
        found: list[list[Span]] = []
        for cells in self.lines:
            line: list[Span] = []
            at = 0
            for x in sorted(cells):
                if x > at:
                    line.append(Span(" " * (x - at)))
                character, role = cells[x]
                if line and line[-1].role == role and x == at:
                    line[-1] = Span(line[-1].text + character, role)
                else:
                    line.append(Span(character, role))
                at = x + 1
            found.append(line)
        return found


def layers_of(graph: Shape) -> list[list[str]]:
    """Return the steps by their distance from the start, the longest way; loops are not followed."""
    depth = dict.fromkeys(graph.steps, 0)
    order = {name: number for number, name in enumerate(graph.steps)}
    for name, node in graph.steps.items():
        for target in node.next:
            if order.get(target, -1) > order[name]:
                depth[target] = max(depth[target], depth[name] + 1)
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for name in graph.steps:
        layers[depth[name]].append(name)
    return layers


def draw_graph(graph: Shape, labels: dict[str, Label], glyphs: Glyphs, width: int) -> list[list[Span]]:
    """Draw a graph.

    Args:
        graph: The steps.
        labels: By step: what stands in its box.
        glyphs: What to draw with.
        width: Cells there are; a graph that does not fit is drawn as a tree.
    """
    layers = layers_of(graph)
    widest = max(sum(_box_width(name, labels) + _GAP for name in layer) for layer in layers)
    if len(graph.steps) > MOST_STEPS or widest > width:
        return _tree(graph, labels, glyphs)
    return _Drawing(graph, labels, glyphs, width, layers).draw()


def _box_width(name: str, labels: dict[str, Label]) -> int:
    label = labels.get(name, Label("", "", name))
    return max(len(label.title), len(label.text)) + 4


@dataclass(slots=True)
class _Drawing:
    graph: Shape
    labels: dict[str, Label]
    glyphs: Glyphs
    width: int
    layers: list[list[str]]
    centre: dict[str, int] = field(default_factory=dict[str, int])

    def draw(self) -> list[list[Span]]:
        """Draw the layers, and the edges between them."""
        canvas = _Canvas(self.glyphs)
        depth = {name: number for number, layer in enumerate(self.layers) for name in layer}
        lanes = self._place(depth)
        y = 0
        for number, layer in enumerate(self.layers):
            for name in layer:
                self._box(canvas, name, y)
            for lane in lanes.get(number, ()):
                for row in range(4):
                    canvas.cross(self.centre[lane], y + row, self.glyphs.vertical, "dim")
            y += 4
            if number + 1 < len(self.layers):
                self._edges(canvas, number, y, depth, lanes)
                y += 2
        self._loops(canvas, depth)
        return canvas.spans()

    def _place(self, depth: dict[str, int]) -> dict[int, list[str]]:
        """Give every step, and every lane of an edge that skips layers, its column; return the lanes by layer."""
        lanes: dict[int, list[str]] = {}
        for name, node in self.graph.steps.items():
            for target in node.next:
                for number in range(depth[name] + 1, depth.get(target, 0)):
                    lanes.setdefault(number, []).append(f"{name}>{target}")
        middle = self.width // 2
        for number, layer in enumerate(self.layers):
            things = [(name, _box_width(name, self.labels)) for name in layer]
            things += [(f"{lane}", 3) for lane in lanes.get(number, ())]
            total = sum(wide for _, wide in things) + _GAP * (len(things) - 1)
            x = max(1, middle - total // 2)
            for name, wide in things:
                self.centre[f"{name}@{number}" if ">" in name else name] = x + wide // 2
                x += wide + _GAP
        return {number: [f"{lane}@{number}" for lane in found] for number, found in lanes.items()}

    def _box(self, canvas: _Canvas, name: str, y: int) -> None:
        label, role, title = self.labels.get(name, Label("", "dim", name))
        wide = _box_width(name, self.labels)
        left = self.centre[name] - wide // 2
        corners, rule, vertical = self.glyphs.corners, self.glyphs.rule, self.glyphs.vertical
        canvas.put(left, y, f"{corners[0]}{rule * (wide - 2)}{corners[1]}", role)
        for row, text, of in ((1, title, "bold"), (2, label, role)):
            canvas.put(left, y + row, vertical, role)
            canvas.put(left + 1, y + row, text.center(wide - 2), of)
            canvas.put(left + wide - 1, y + row, vertical, role)
        canvas.put(left, y + 3, f"{corners[2]}{rule * (wide - 2)}{corners[3]}", role)

    def _edges(
        self, canvas: _Canvas, number: int, y: int, depth: dict[str, int], lanes: dict[int, list[str]]
    ) -> None:
        """Draw what leads from one layer to the next: down to a line, along it, and down to each target."""
        pairs: list[tuple[int, int, bool]] = []
        for name, node in self.graph.steps.items():
            for target in node.next:
                if not depth[name] <= number < depth.get(target, -1):
                    continue
                lane = f"{name}>{target}"
                source = name if depth[name] == number else f"{lane}@{number}"
                end = target if depth[target] == number + 1 else f"{lane}@{number + 1}"
                pairs.append((self.centre[source], self.centre[end], depth[target] == number + 1))
        for source, target, _ in pairs:
            step = 1 if target >= source else -1
            for x in range(source, target + step, step):
                canvas.put(x, y, self.glyphs.rule, "dim")
        for source, target, is_end in pairs:
            self._corner(canvas, source, y, pairs)
            self._corner(canvas, target, y, pairs)
            canvas.put(target, y + 1, self.glyphs.arrow_down if is_end else self.glyphs.vertical, "dim")

    def _corner(self, canvas: _Canvas, x: int, y: int, pairs: list[tuple[int, int, bool]]) -> None:
        """Draw where edges bend or meet at a place on the line between two layers."""
        up = any(source == x for source, _, _ in pairs)
        down = any(target == x for _, target, _ in pairs)
        left = any(min(source, target) < x <= max(source, target) for source, target, _ in pairs)
        right = any(min(source, target) <= x < max(source, target) for source, target, _ in pairs)
        top_left, top_right, bottom_left, bottom_right = self.glyphs.corners
        tees = self.glyphs.tees
        shapes = {
            (True, True, True, True): tees[4],
            (True, True, False, False): self.glyphs.vertical,
            (True, True, True, False): tees[3],
            (True, True, False, True): tees[2],
            (True, False, True, True): tees[1],
            (False, True, True, True): tees[0],
            (True, False, True, False): bottom_right,
            (True, False, False, True): bottom_left,
            (False, True, True, False): top_right,
            (False, True, False, True): top_left,
        }
        canvas.put(x, y, shapes.get((up, down, left, right), self.glyphs.rule), "dim")

    def _loops(self, canvas: _Canvas, depth: dict[str, int]) -> None:
        """Say where a switch leads back to."""
        for name, node in self.graph.steps.items():
            back = [target for target in node.next if depth.get(target, depth[name] + 1) <= depth[name]]
            if back:
                y = depth[name] * 6 + 1
                right = self.centre[name] + _box_width(name, self.labels) // 2 + 2
                titles = [self.labels.get(step, Label("", "", step)).title for step in back]
                words = "again" if back == [name] else f"back to {', '.join(titles)}"
                canvas.put(right, y, f"↺ {words}" if self.glyphs.rule != "-" else f"<- {words}", "waiting")


def _tree(graph: Shape, labels: dict[str, Label], glyphs: Glyphs) -> list[list[Span]]:
    """Draw each step once, under the first step that leads to it; further ways there are named."""
    lines: list[list[Span]] = []
    seen: dict[str, None] = {}
    todo: list[tuple[str, int]] = [(graph.start, 0)]
    while todo:
        name, depth = todo.pop()
        label, role, title = labels.get(name, Label("", "dim", name))
        lead = "  " * depth + (f"{glyphs.corners[2]}{glyphs.rule} " if depth else "")
        if name in seen:
            lines.append([Span(f" {lead}", "dim"), Span(f"{glyphs.arrow_right} {title}", "dim")])
            continue
        seen[name] = None
        lines.append([Span(f" {lead}", "dim"), Span(title, "bold"), Span(f"  {label}", role)])
        nexts = [target for target in graph.steps[name].next if target != name]
        is_one = len(nexts) == 1
        todo.extend((target, depth if is_one else depth + 1) for target in reversed(nexts))
    return lines
