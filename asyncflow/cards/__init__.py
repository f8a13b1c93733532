"""Cards: reports that tasks make, looked at in a browser and in the terminal, also while they grow.

    from asyncflow.cards import Markdown, Table, Metric

    @card
    @step
    def train(self):
        current.card.append(Markdown("# How it went"))

`tree` is what a card consists of, and says how a renderer goes about it; `component` and its neighbours are what users
write; `guard` makes the one of the other; `codec` turns it into bytes; `html` draws it. `import asyncflow.cards` loads
none of them: names are looked up when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncflow.cards.card import Card, MetaflowCard
    from asyncflow.cards.component import Component, MetaflowCardComponent
    from asyncflow.cards.pictures import Image, Plot, VegaChart
    from asyncflow.cards.progress import EventsTimeline, Metric, ProgressBar
    from asyncflow.cards.tables import Table
    from asyncflow.cards.words import (
        Artifact,
        Dag,
        Error,
        JSONViewer,
        Log,
        Markdown,
        PythonCode,
        Row,
        Section,
        ValueBox,
        YAMLViewer,
    )

if TYPE_CHECKING:
    from asyncflow.client.cards import get_cards

__all__ = [
    "Artifact",
    "Card",
    "Component",
    "Dag",
    "Error",
    "EventsTimeline",
    "Image",
    "JSONViewer",
    "Log",
    "Markdown",
    "MetaflowCard",
    "MetaflowCardComponent",
    "Metric",
    "Plot",
    "ProgressBar",
    "PythonCode",
    "Row",
    "Section",
    "Table",
    "ValueBox",
    "VegaChart",
    "YAMLViewer",
    "get_cards",
]

_HOMES = {
    "card": ("Card", "MetaflowCard"),
    "component": ("Component", "MetaflowCardComponent"),
    "pictures": ("Image", "Plot", "VegaChart"),
    "progress": ("EventsTimeline", "Metric", "ProgressBar"),
    "tables": ("Table",),
    "words": (
        "Artifact",
        "Dag",
        "Error",
        "JSONViewer",
        "Log",
        "Markdown",
        "PythonCode",
        "Row",
        "Section",
        "ValueBox",
        "YAMLViewer",
    ),
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    module = next((module for module, names in _HOMES.items() if name in names), None)
    if module is not None:
        home = f"asyncflow.cards.{module}"
    elif name == "get_cards":
        home = "asyncflow.client.cards"  # readers live there; the room itself knows no client
    else:
        raise AttributeError(f"module 'asyncflow.cards' has no attribute '{name}'")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
