"""`current.card`: the cards of one attempt, what the step puts on them, and what they show while it runs."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from asyncflow.cards import tree
from asyncflow.cards.card import Card as CardClass
from asyncflow.cards.codec import digest, pack
from asyncflow.cards.component import Component
from asyncflow.cards.guard import node_of, nodes_of
from asyncflow.cards.limits import title_of
from asyncflow.cards.live import Live, remove_live, write_live
from asyncflow.cards.plain import json_text
from asyncflow.cards.registry import BUILTIN, card_class
from asyncflow.flow.decorators.card import Card
from asyncflow.store.manifest import ArtifactRecord, CardRecord
from asyncflow.worker.publishing import publisher

__all__ = ["Components", "Deck", "Hand", "body_of", "shown_nodes", "warn"]

_FORGET_WITHIN_S = 5.0
_Key = tuple[int, int, int]


class Components:
    """The components of a card by their ids: `current.card.components["progress"]`."""

    def __init__(self, hand: Hand) -> None:
        self._hand = hand

    def __getitem__(self, key: str) -> Any:  # Any: the user's component
        for component in self._hand.parts:
            if getattr(component, "component_id", None) == key:
                return component
        warn(f"the card has no component '{key}': what is done with it is lost")
        return Component()

    def __iter__(self) -> Iterator[Any]:
        return iter(tuple(self._hand.parts))

    def __len__(self) -> int:
        return len(self._hand.parts)

    def __contains__(self, key: object) -> bool:
        return any(getattr(component, "component_id", None) == key for component in self._hand.parts)


class Hand:
    """One card while its task runs. Components are appended to it, and may be changed until the task has ended."""

    def __init__(self, deck: Deck | None, attributes: Card | None) -> None:
        self._deck = deck
        self.attributes = attributes
        self.parts: list[Any] = []
        self.data: Any = None
        """What the last `refresh` was given."""

    @property
    def components(self) -> Components:
        """The components by their ids."""
        return Components(self)

    @property
    def type(self) -> str:
        """The card's type."""
        return "" if self.attributes is None else self.attributes.type

    @property
    def id(self) -> str | None:
        """The card's id; None: it has none."""
        return None if self.attributes is None else self.attributes.card_id or None

    def append(self, component: Any, id: str | None = None) -> None:
        """Add a component at the end; `id` is by what `components` finds it."""
        if id is not None:
            try:
                component.component_id = id
            except AttributeError:
                warn(f"a {type(component).__name__} cannot have the id '{id}': give ids to components")
        self.parts.append(component)

    def extend(self, components: Iterable[Any]) -> None:
        """Add several components at the end."""
        for component in components:
            self.append(component)

    def clear(self) -> None:
        """Remove all components."""
        self.parts = []

    def refresh(self, data: Any = None, force: bool = False) -> None:
        """Show what the card has now to those who watch: soon, and not more often than `refresh_interval` says.

        Args:
            data: For cards of one's own, which get it.
            force: At once, before it returns.
        """
        if data is not None:
            self.data = data
        if self._deck is not None:
            self._deck.ask(force=force)

    def __iter__(self) -> Iterator[Any]:
        return iter(tuple(self.parts))

    def __len__(self) -> int:
        return len(self.parts)


class Deck:
    """All cards of an attempt.

    Args:
        cards: The step's decorators, in order.
        root: The store's directory.
        key: Run, task and attempt.
        task: Makes the client's Task, with these artifacts if any are given, for cards of one's own.
        graph: Makes the flow's graph as plain data, for the same.
    """

    def __init__(
        self,
        cards: Sequence[Card],
        *,
        root: str,
        key: _Key,
        task: Callable[[Mapping[str, ArtifactRecord] | None], Any],
        graph: Callable[[], Mapping[str, Any]],
    ) -> None:
        self.hands = [Hand(self, card) for card in cards]
        self._root = root
        self._key = key
        self._task = task
        self._graph = graph
        self._complaints = [card.complaint_of_id for card in cards if card.complaint_of_id]
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._published_at = 0.0
        self._number = 0
        self._digests: tuple[str, ...] = ()
        self._is_closed = False
        self._interval = min(
            float(hand.attributes.refresh_interval) for hand in self.hands if hand.attributes
        )
        self._default_known: Hand | None = None
        self._has_warned = False

    def enter(self) -> None:
        """Say that the step begins, in this process."""
        self._pid = os.getpid()
        for complaint in self._complaints:
            warn(complaint)

    def task_after(self, records: Mapping[str, ArtifactRecord]) -> Any:  # Any: the client's Task
        """Return the task as it will be read, with what the step has left."""
        return self._task(records)

    # What the user does

    @property
    def _default(self) -> Hand:
        """The card that takes what is put on `current.card` itself."""
        if self._default_known is None:
            found = _default_of(self.hands)
            if found is None and not self._has_warned:
                self._has_warned = True
                warn(
                    "the step has several cards, and it is not clear which one current.card means: what is put on it "
                    "is lost. Name one: current.card['id'], or give one of them customize=True"
                )
            self._default_known = found
        return Hand(None, None) if self._default_known is None else self._default_known

    def __getitem__(self, key: str) -> Hand:
        for hand in self.hands:
            if hand.id == key:
                return hand
        known = ", ".join(hand.id for hand in self.hands if hand.id) or "none has an id"
        warn(f"the step has no card '{key}' ({known}): what is put on it is lost")
        return Hand(None, None)

    def __setitem__(self, key: str, components: Iterable[Any]) -> None:
        hand = self[key]
        hand.parts = list(components)

    def __contains__(self, key: object) -> bool:
        return any(hand.id == key for hand in self.hands)

    def __iter__(self) -> Iterator[Hand]:
        return iter(self.hands)

    def __len__(self) -> int:
        return len(self.hands)

    def get(self, type: str | None = None) -> list[Hand]:
        """Return the cards of a type; None: all."""
        return [hand for hand in self.hands if type is None or hand.type == type]

    @property
    def components(self) -> Components:
        """The components of the default card by their ids."""
        return self._default.components

    def append(self, component: Any, id: str | None = None) -> None:
        """Add a component to the default card; see `Hand.append`."""
        self._default.append(component, id=id)

    def extend(self, components: Iterable[Any]) -> None:
        """Add several components to the default card."""
        self._default.extend(components)

    def clear(self) -> None:
        """Remove all components of the default card."""
        self._default.clear()

    def refresh(self, data: Any = None, force: bool = False) -> None:
        """Show what all cards have now to those who watch; see `Hand.refresh`."""
        if data is not None:
            default = _default_of(self.hands)
            for hand in self.hands if default is None else [default]:
                hand.data = data
        self.ask(force=force)

    # What is shown while the task runs

    def ask(self, *, force: bool) -> None:
        """Publish the cards, at once or when they are due. Does nothing in a process that the step has forked."""
        if os.getpid() != self._pid or self._is_closed:
            return
        if force:
            self.publish()
        else:
            publisher().ask(self, self._published_at + self._interval)

    def publish(self) -> None:
        """Publish what the cards show now, unless it is what was published last. Never raises."""
        with self._lock:
            if self._is_closed:
                return
            self._published_at = time.monotonic()
            try:
                self._write([self._live_record(hand) for hand in self.hands])
            except Exception as error:  # noqa: BLE001 - a full disk, or the user's code: the task goes on
                if not self._has_warned:
                    self._has_warned = True
                    warn(f"the cards cannot be shown while the task runs: {type(error).__name__}: {error}")

    def close(self) -> None:
        """Publish no more. Waits for what is being published. Safe to call twice."""
        if self._is_closed:
            return
        if self._number or self._published_at:
            publisher().forget(self, _FORGET_WITHIN_S)
        self._is_closed = True

    def remove_published(self) -> None:
        """Remove what was published: the manifest tells now."""
        if self._number:
            remove_live(self._root, self._key)

    def _write(self, records: list[CardRecord]) -> None:
        digests = tuple(record.digest for record in records)
        if digests != self._digests:
            self._number += 1
            write_live(self._root, self._key, Live(self._number, time.time(), tuple(records)))
            self._digests = digests

    def _live_record(self, hand: Hand) -> CardRecord:
        card = hand.attributes
        assert card is not None
        packed = pack(self._live_body(hand, card))
        return CardRecord(card.type, card.card_id, digest(packed), len(packed), packed, time.time())

    def _live_body(self, hand: Hand, card: Card) -> tree.Body:
        kind = None if card.type in BUILTIN else card_class(card.type)
        if kind is None or not kind.RUNTIME_UPDATABLE:
            return body_of(hand, card, nodes_of(tuple(hand.parts)))
        made = self.make_card(kind, hand, card, flow=None)
        task = self._task(None)
        shown = made.render_runtime(task, hand.data)
        data, _ = json_text(made.refresh(task, hand.data))
        return body_of(hand, card, shown_nodes(shown), data=data)

    def make_card(self, kind: type[CardClass], hand: Hand, card: Card, flow: Any) -> CardClass:
        """Make a card of one's own with what its constructor takes."""
        import inspect  # for these only

        given: dict[str, Any] = {"options": dict(card.options), "graph": self._graph(), "flow": flow}
        given["components"] = list(hand.parts) if kind.ALLOW_USER_COMPONENTS else []
        takes = inspect.signature(kind).parameters
        if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in takes.values()):
            given = {name: value for name, value in given.items() if name in takes}
        return kind(**given)


def body_of(
    hand: Hand, card: Card, nodes: tuple[tree.Node, ...], *, data: str = "", **more: Any
) -> tree.Body:
    """Return what a card leaves, with what its options say."""
    if not data and hand.data is not None:
        data, _ = json_text(hand.data)
    title = title_of(card.options.get("title"))
    return tree.Body(title=title, nodes=nodes, has_frame=card.type == "default", data=data, **more)


def shown_nodes(made: object) -> tuple[tree.Node, ...]:
    """Return what the `render` of a card of one's own has made as nodes: a text is HTML, anything else components."""
    if isinstance(made, str):
        return (tree.Html(html=made),)
    if isinstance(made, list | tuple):
        return nodes_of(made)  # pyright: ignore[reportUnknownArgumentType] - the user's
    return (node_of(made),)


def warn(text: str) -> None:
    """Write a line of ours to the task's own stderr."""
    sys.stderr.write(f"asyncflow: {text}\n")


def _default_of(hands: list[Hand]) -> Hand | None:
    """Return the card that `current.card` itself means; None: that is not clear."""
    takers = [hand for hand in hands if _takes_components(hand)]
    chosen = [hand for hand in takers if hand.attributes is not None and hand.attributes.customize]
    if len(chosen) == 1:
        return chosen[0]
    if len(takers) == 1:
        return takers[0]
    nameless = [hand for hand in takers if hand.id is None]
    return nameless[0] if len(nameless) == 1 else None


def _takes_components(hand: Hand) -> bool:
    if hand.type in BUILTIN:
        return True
    try:
        kind = card_class(hand.type)
    except Exception:  # noqa: BLE001 - what an installed package raises; told when the card is made
        return False
    return kind is not None and kind.ALLOW_USER_COMPONENTS
