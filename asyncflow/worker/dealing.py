"""Makes the cards of an attempt when its step has ended: what stays of them. Nothing here fails a task."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from functools import partial
from types import FrameType, NoneType
from typing import Any

from asyncflow.cards import tree
from asyncflow.cards.codec import pack
from asyncflow.cards.guard import broken, nodes_of, previewed
from asyncflow.cards.limits import CARD_BYTES, title_of
from asyncflow.cards.registry import BUILTIN, card_class, known_types
from asyncflow.errors import StoreError, UserError
from asyncflow.flow.binding import NextCall
from asyncflow.flow.decorators.card import Card
from asyncflow.flow.parse import parse_flow
from asyncflow.records import compile_now
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import ArtifactRecord, CardRecord
from asyncflow.worker.asked import task_of
from asyncflow.worker.binding import Binding
from asyncflow.worker.deck import Deck, Hand, body_of, shown_nodes, warn
from asyncflow.worker.spec import RunSpec, TaskSpec

__all__ = ["deal", "deck_of", "give_up", "preload_cards"]

_MOST_PREVIEWS = 50
_LARGEST_PREVIEWED = 200 << 20
_AGAIN_S = 0.5
_SCALARS = (int, float, str, bool, NoneType, Binding, NextCall)
"""Types of a flow object's values that are shown without running code of the user's: the last two are not shown."""


class _TookTooLong(BaseException):
    """Making the card takes longer than its timeout. No Exception, so that components do not take it for theirs."""


def preload_cards(cards: list[Card]) -> None:
    """Do once, before a zygote forks, what every card needs: classes made, types found."""
    compile_now(*tree.KINDS.values())
    for card in cards:
        if card.type not in BUILTIN:
            try:
                card_class(card.type)
            except Exception:  # noqa: BLE001, S112 - what an installed package raises; told when the card is made
                continue


def deck_of(cards: list[Card], flow_class: type, run_spec: RunSpec, spec: TaskSpec) -> Deck:
    """Return the cards of an attempt that is about to begin."""
    return Deck(
        cards,
        root=run_spec.store_root,
        key=(spec.run, spec.attempt.task, spec.attempt.number),
        task=partial(task_of, run_spec, spec),
        graph=lambda: parse_flow(flow_class).to_info(),
    )


def deal(
    deck: Deck,
    flow: Any,  # Any: a FlowSpec; None: there is none
    records: Mapping[str, ArtifactRecord],
    store: LocalStore,
) -> tuple[CardRecord, ...]:
    """Make and store all cards of an attempt; return their records. Never raises.

    Args:
        deck: The cards.
        flow: The flow object as the step left it.
        records: What was stored of it.
        store: Where to.
    """
    deck.close()
    return _kept(_one(deck, hand, flow, records, store) for hand in deck.hands)


def give_up(deck: Deck, store: LocalStore, why: str) -> tuple[CardRecord, ...]:
    """Return the records of cards that could not be made, and that say so. Never raises."""
    error = tree.Error(title=why)
    return _kept(_stored(hand, _failed(_of(hand), error), store) for hand in deck.hands)


def _one(
    deck: Deck, hand: Hand, flow: Any, records: Mapping[str, ArtifactRecord], store: LocalStore
) -> CardRecord | None:
    card = _of(hand)
    drawn: list[tree.Node] = []
    try:
        if _is_harmless(hand, flow):
            return _stored(hand, _body(deck, hand, flow, records, drawn), store)
        with _limited(float(card.timeout)):
            return _stored(hand, _body(deck, hand, flow, records, drawn), store)
    except _TookTooLong:
        why = f"The card took longer than its timeout of {float(card.timeout):g} s"
        body = _failed(card, tree.Error(title=why), drawn)
    except UserError as error:
        body = _failed(card, tree.Error(title="The card could not be made", message=error.message))
    except Exception as error:  # noqa: BLE001 - the user's code, which may do anything
        body = _failed(card, broken("The card could not be made", error), drawn)
    return _stored(hand, body, store)


def _is_harmless(hand: Hand, flow: Any) -> bool:
    """Say that no code of the user's makes the card, so that it needs no limit: to set one costs 0.1 ms."""
    return (
        hand.type in BUILTIN
        and not hand.parts
        and (flow is None or all(type(value) in _SCALARS for value in flow.__dict__.values()))
    )


def _stored(hand: Hand, body: tree.Body | None, store: LocalStore) -> CardRecord | None:
    if body is None:
        return None
    packed = pack(body)
    if len(packed) > CARD_BYTES:
        note = f"The card has {len(packed):,} bytes; cards of more than {CARD_BYTES:,} are not kept."
        packed = pack(tree.Body(nodes=(tree.Text(note=note),)))
    try:
        return store.write_card(CardRecord(hand.type, hand.id or "", "", 0, None, time.time()), packed)
    except StoreError as error:
        warn(f"card '{hand.type}' could not be stored: {error.message}")
        return None


def _failed(card: Card, error: tree.Error, drawn: Iterable[tree.Node] = ()) -> tree.Body | None:
    warn(f"card '{card.type}': {error.title}{': ' if error.message else ''}{error.message}")
    return tree.Body(nodes=(*drawn, error), has_frame=card.type == "default") if card.save_errors else None


def _of(hand: Hand) -> Card:
    assert hand.attributes is not None
    return hand.attributes


def _kept(records: Iterable[CardRecord | None]) -> tuple[CardRecord, ...]:
    return tuple(record for record in records if record is not None)


def _body(
    deck: Deck, hand: Hand, flow: Any, records: Mapping[str, ArtifactRecord], drawn: list[tree.Node]
) -> tree.Body:
    card = _of(hand)
    if card.type in BUILTIN:
        nodes = nodes_of(tuple(hand.parts), into=drawn)
        return body_of(hand, card, nodes, artifacts=_previews(card, flow, records))
    kind = card_class(card.type)
    if kind is None:
        known = ", ".join(known_types())
        raise UserError(f"There is no card of type '{card.type}': known are {known}")
    made = deck.make_card(kind, hand, card, flow)
    return body_of(hand, card, shown_nodes(made.render(deck.task_after(records))))


def _previews(card: Card, flow: Any, records: Mapping[str, ArtifactRecord]) -> tuple[tree.Artifact, ...]:
    """Return previews of what the step has set, which is in memory; of what it inherited the reader makes them."""
    if flow is None or card.type != "default":
        return ()
    most = card.options.get("max_artifact_size", _LARGEST_PREVIEWED)
    values: Mapping[str, Any] = flow.__dict__
    new = [(name, record) for name, record in records.items() if record.is_new and name in values]
    shown = [(name, record) for name, record in new if not name.startswith("_")][:_MOST_PREVIEWS]
    return tuple(
        _preview(name, record, values[name], is_small=not isinstance(most, int) or record.size_bytes <= most)
        for name, record in shown
    )


def _preview(name: str, record: ArtifactRecord, value: object, *, is_small: bool) -> tree.Artifact:
    return tree.Artifact(
        name=title_of(name),
        type=title_of(record.type.removeprefix("builtins.")),
        size_bytes=record.size_bytes,
        preview=previewed(value) if is_small else None,
        note="" if is_small else "It is too large for a preview.",
    )


@contextmanager
def _limited(limit_s: float) -> Generator[None]:
    """Raise `_TookTooLong` in the block when the time is over, and again until it ends. Needs the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def expire(signum: int, frame: FrameType | None) -> None:
        raise _TookTooLong

    handler = signal.signal(signal.SIGALRM, expire)
    timer = signal.setitimer(signal.ITIMER_REAL, limit_s, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)
