"""Which kinds of cards there are: ours by name, users' by subclass and by entry point."""

from __future__ import annotations

from collections.abc import Iterator

from asyncflow.cards.card import Card

__all__ = ["BUILTIN", "ENTRY_POINTS", "card_class", "known_types"]

BUILTIN = ("default", "blank")
"""Made by asyncflow itself."""
ENTRY_POINTS = "asyncflow.cards"
"""Group of entry points; each names a subclass of `Card`, or a module that has some."""


def card_class(name: str) -> type[Card] | None:
    """Return the class of a type of cards; None if there is none of that name.

    Raises what loading an installed package's entry point raises.
    """
    found = _of_subclasses(name)
    if found is None:
        _load_entry_points()
        found = _of_subclasses(name)
    return found


def known_types() -> list[str]:
    """Return the names of all types that are known now."""
    return sorted({*BUILTIN, *(kind.type for kind in _subclasses(Card) if kind.type)})


def _of_subclasses(name: str) -> type[Card] | None:
    last = None
    for kind in _subclasses(Card):
        if kind.type == name:
            last = kind  # a module that was loaded twice has made it twice
    return last


def _subclasses(of: type[Card]) -> Iterator[type[Card]]:
    for kind in of.__subclasses__():
        yield kind
        yield from _subclasses(kind)


def _load_entry_points() -> None:
    from importlib.metadata import entry_points  # some ms, for types that are not known

    for point in entry_points(group=ENTRY_POINTS):
        point.load()
