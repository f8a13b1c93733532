"""From whatever was put on a card to a node. A component that cannot be drawn becomes an `Error`, never a failure."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from typing import Any

from asyncflow.cards import tree
from asyncflow.cards.limits import DEPTH, NODES, clipped, left_out, title_of
from asyncflow.cards.plain import json_text
from asyncflow.cards.preview import preview
from asyncflow.records import replace

__all__ = ["broken", "node_of", "nodes_of", "previewed"]

_TRACEBACK_CHARS = 10_000


def nodes_of(
    components: Iterable[object], depth: int = 0, *, into: list[tree.Node] | None = None
) -> tuple[tree.Node, ...]:
    """Return what to draw of some components, in order; of too many, the first and a note.

    `into` gets each node when it is made, for who may not live to see the last.
    """
    found = list(components)
    nodes: list[tree.Node] = [] if into is None else into
    for component in found[:NODES]:
        nodes.append(node_of(component, depth))  # noqa: PERF401 - one by one, as `into` says
    if len(found) > NODES:
        nodes.append(tree.Text(note=left_out(NODES, len(found), "components")))
    return tuple(nodes)


def node_of(component: object, depth: int = 0) -> tree.Node:
    """Return what to draw of one component: ours, a user's own, a text, or any other value. Never raises."""
    if depth > DEPTH:
        return tree.Text(note="Cut: components are nested deeper than is shown.")
    try:
        node = _drawn(component, depth)
        name = getattr(component, "component_id", None)
        return replace(node, id=title_of(name)) if name and not node.id else node
    except Exception as error:  # noqa: BLE001 - it is the user's code, which may do anything
        return broken(f"{type(component).__name__} could not be drawn", error)


def previewed(value: object) -> tree.Node:
    """Return a preview of any value, a text or a component included, as a value. Never raises."""
    try:
        return preview(value)
    except Exception as error:  # noqa: BLE001 - the value's own code
        return broken(f"A {type(value).__name__} could not be shown", error)


def broken(what: str, error: BaseException) -> tree.Error:
    """Return what stands in place of something that went wrong."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - as above
        message = "(its message could not be made)"
    trace = "".join(traceback.format_exception(error, limit=-12))
    return tree.Error(
        title=what,
        message=f"{type(error).__name__}: {clipped(message, 2_000)[0]}",
        traceback=trace[-_TRACEBACK_CHARS:],
    )


def _drawn(component: object, depth: int) -> tree.Node:
    if isinstance(component, tree.Node):
        return component
    if isinstance(component, str):
        text, note = clipped(component)
        return tree.Text(text=text, note=note)
    draw: Any = getattr(component, "draw", None)  # Any: a method of components
    if callable(draw) and hasattr(type(component), "component_id"):
        return _checked(draw(depth))
    render: Any = getattr(component, "render", None)  # Any: as above
    if callable(render):
        return _rendered(render(), depth)
    return preview(component)


def _checked(drawn: object) -> tree.Node:
    if not isinstance(drawn, tree.Node):
        raise TypeError(f"draw() returned a {type(drawn).__name__}, not a node of asyncflow.cards.tree")
    return drawn


def _rendered(made: object, depth: int) -> tree.Node:
    """Take what the `render` of a user's component returned: a text, a component, a list of them, or a dictionary."""
    if isinstance(made, Mapping):
        return _of_mapping(made, depth)
    if isinstance(made, list | tuple):
        return tree.Section(nodes=nodes_of(made, depth + 1))
    if made is None:
        raise TypeError("render() returned None")
    return node_of(made, depth + 1)


def _of_mapping(made: Mapping[Any, Any], depth: int) -> tree.Node:
    """Take a component in the form that Metaflow's own have, as far as that is plain; else show the data."""
    kind = made.get("type")
    if kind in ("text", "title", "subtitle", "heading", "log", "markdown"):
        text, note = clipped(
            made.get("text") or made.get("source") or made.get("data") or made.get("title") or ""
        )
        if kind == "markdown":
            return tree.Markdown(text=text, note=note)
        if kind == "log":
            return tree.Log(text=text, note=note)
        return tree.Text(text=text, note=note, tone={"text": "", "subtitle": "subtitle"}.get(kind, "title"))
    if kind in ("section", "page") and isinstance(made.get("contents"), list):
        return tree.Section(title=title_of(made.get("title")), nodes=nodes_of(made["contents"], depth + 1))
    if kind == "table" and isinstance(made.get("data"), list):
        from asyncflow.cards.tables import Table  # it needs this module

        return Table(made["data"], headers=made.get("columns")).draw(depth)
    text, note = json_text(made)
    return tree.Json(text=text, note=note)
