"""One node as something that Rich draws, whatever its class."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from asyncflow.cards import tree
from asyncflow.cards.terminal import charts, dag, pictures, tables, words
from asyncflow.cards.terminal.ink import Ink
from asyncflow.cards.terminal.wide import Wide

__all__ = ["Draw"]

_MOST_DEPTH = 30
_LEAST_COLUMN = 24
"""Cells that parts side by side have at least."""


class Draw:
    """Draws nodes, and the nodes in them.

    Args:
        ink: Colours and glyphs.
    """

    def __init__(self, ink: Ink) -> None:
        self.ink = ink
        self._depth = 0

    def __call__(self, node: tree.Cell) -> RenderableType:
        """Return a node, or the text of a cell, as what Rich draws."""
        if isinstance(node, str):
            return words.said(node, self.ink.style("text"))
        if self._depth >= _MOST_DEPTH:
            return words.note("Nested deeper than is shown.", self.ink)
        self._depth += 1
        try:
            drawn = self._part(node)
        finally:
            self._depth -= 1
        return Group(drawn, words.note(node.note, self.ink)) if node.note else drawn

    def _part(self, node: tree.Node) -> RenderableType:
        match node:
            case tree.Section():
                return self._section(node)
            case tree.Artifact():
                return self._artifact(node)
            case tree.Timeline():
                return self._timeline(node)
            case tree.Event():
                return self._event(node)
            case tree.Page() | tree.Body():
                return self._stack(node.nodes)
            case _:
                return self._leaf(node)

    def _leaf(self, node: tree.Node) -> RenderableType:
        match node:
            case tree.Table():
                return tables.table(node, self)
            case tree.Facts():
                return tables.facts(node, self)
            case tree.Image():
                return pictures.picture(node, self.ink)
            case tree.Chart():
                return charts.chart(node, self.ink)
            case tree.Metric():
                return charts.metric(node, self.ink)
            case tree.Dag():
                return dag.graph(node, self.ink)
            case _:
                return words.words(node, self.ink)

    def _section(self, node: tree.Section) -> RenderableType:
        if node.title and not node.is_open and not self.ink.unfolds:
            return words.folded(node.title, len(node.nodes), self.ink)
        inside = self._stack(node.nodes) if node.columns < 2 else self._row(node)
        if not node.title:
            return inside
        return Group(words.heading(node.title, self.ink), inside)

    def _stack(self, nodes: Sequence[tree.Node]) -> RenderableType:
        parts: list[RenderableType] = []
        for number, child in enumerate(nodes):
            if number and not _is_small(child, nodes[number - 1]):
                parts.append(Text(""))
            parts.append(self(child))
        return Group(*parts)

    def _row(self, node: tree.Section) -> RenderableType:
        """Put children side by side, as many as there is room for."""
        children = [(self._depth, child) for child in node.nodes]

        def draw(width: int) -> RenderableType:
            count = max(1, min(node.columns, len(children), (width + 2) // (_LEAST_COLUMN + 2)))
            count = -(
                -len(children) // -(-len(children) // count)
            )  # the last row is nearly as full as the others
            grid = Grid.grid(padding=(0, 2, 1 if len(children) > count else 0, 0), expand=True)
            for _ in range(count):
                grid.add_column(ratio=1)
            for first in range(0, len(children), count):
                grid.add_row(*(self._at(depth, child) for depth, child in children[first : first + count]))
            return grid

        return Wide(draw) if children else Text("")

    def _at(self, depth: int, node: tree.Node) -> RenderableType:
        """Draw a node as deep as it stands, when the nodes around it are drawn already."""
        before, self._depth = self._depth, depth
        try:
            return self(node)
        finally:
            self._depth = before

    def _artifact(self, node: tree.Artifact) -> RenderableType:
        head = words.artifact_head(node, self.ink)
        if node.preview is None:
            return head
        return Group(head, Padding(self(node.preview), (0, 0, 0, 2)))

    def _timeline(self, node: tree.Timeline) -> RenderableType:
        parts: list[RenderableType] = list(words.timeline_head(node, self.ink))
        parts += [self(event) for event in node.events]
        return Group(*parts)

    def _event(self, node: tree.Event) -> RenderableType:
        below: list[RenderableType] = [
            Text.assemble(
                (f"{words.clean(name)}  ", self.ink.style("dim")),
                (words.clean(value), self.ink.style("text")),
            )
            for name, value in node.details
        ]
        below += [self(child) for child in node.nodes]
        return Group(words.event_head(node, self.ink), Padding(Group(*below), (0, 0, 0, 11)))


def _is_small(node: tree.Node, before: tree.Node) -> bool:
    """Tell whether a node stands right beneath the one before."""
    kinds = (tree.Text, tree.Progress, tree.Artifact)
    return isinstance(node, kinds) and isinstance(before, kinds)
