"""A flow's graph as boxes and arrows, the card's own step standing out."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.text import Text

from asyncflow.cards import tree
from asyncflow.cards.terminal.graph import Label, draw_graph
from asyncflow.cards.terminal.ink import Ink
from asyncflow.cards.terminal.wide import Wide
from asyncflow.look import status_spans
from asyncflow.records import record
from asyncflow.text import one_line

__all__ = ["graph"]

_WORDS = {
    "split-static": "branches", "split-foreach": "foreach", "split-parallel": "gang", "split-switch": "switch",
    "join": "join",
}  # fmt: skip
_MOST_NAME = 24


@record
class _Step:
    """A step as it is drawn."""

    next: tuple[str, ...]


@record
class _Shape:
    """A graph as it is drawn: its steps are called by their numbers, as their names may be anything."""

    steps: Mapping[str, _Step]
    start: str = "0"


def graph(node: tree.Dag, ink: Ink) -> RenderableType:
    """Return the graph; nothing if it has no steps."""
    if not node.steps:
        return Text("")
    numbers = {step.name: str(number) for number, step in enumerate(node.steps)}
    steps = {
        str(number): _Step(next=tuple(numbers[to] for to in step.next if to in numbers))
        for number, step in enumerate(node.steps)
    }
    shape = _Shape(steps=steps)
    labels = {str(number): _label(step, node.current, ink) for number, step in enumerate(node.steps)}

    def draw(width: int) -> Text:
        lines = draw_graph(shape, labels, ink.glyphs, width)
        drawn = Text(no_wrap=True, overflow="crop")
        for number, line in enumerate(lines):
            for span in line:
                drawn.append(one_line(span.text), ink.style(span.role))
            drawn.append("\n" if number + 1 < len(lines) else "")
        return drawn

    return Wide(draw)


def _label(step: tree.DagStep, current: str, ink: Ink) -> Label:
    is_current = step.name == current
    name = one_line(step.name, _MOST_NAME)
    title = f"{ink.glyphs.mark} {name}" if is_current else name
    text, role = _WORDS.get(step.kind, ""), "dim"
    if step.status:
        text, role = status_spans(one_line(step.status, _MOST_NAME), ink.glyphs)[0]
    return Label(text, "accent" if is_current else role, title)
