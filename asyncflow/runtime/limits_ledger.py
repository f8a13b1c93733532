"""Who holds how many permits of one limit, and who gets the next: arithmetic on values, without files and clock.

A limit on attempts at a time gives each holder its share when it is contended: whoever holds more is asked to let some
go as its attempts end, and where there are more holders than permits they take turns.

A limit on starts is kept by two rules. Starts are spread evenly (but by no more than a second, so that a handful need
not wait where hundreds an hour are allowed). And each permit counts against the window from the moment it is given
until one window after its start is *known* to be past. However late an attempt begins after it was let go, a server
that counts its calls in a sliding window never sees more than the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, floor
from typing import Any

from asyncflow.records import field, fields, record

__all__ = ["SEEN_S", "Answer", "Holder", "Ledger", "Offer", "exchange"]

GONE_S = 0.5
"""For so long the permits of a dead holder are kept: its tasks are dying, and calls are on their way, seconds."""
FRESH_S = 3.0
"""A holder that was not heard of for so long waits for nothing any more: it was stopped, seconds."""
SEEN_S = 1.0
"""How often a holder's being heard of is noted; others look at the ledger whenever it changes, seconds."""
TURN_S = 2.0
"""How long a holder keeps its only permit while others have none, seconds."""
MARGIN = 1.03
"""A window is counted this much longer than it is."""
EVEN_S = 1.0
"""Starts are spread by no more than this, seconds."""
LATE_S = 0.025
"""What a start came late is made good for by the next ones, up to this, seconds."""
BUCKETS = 128
"""A window's past starts are counted in so many parts, so that a ledger stays small."""


@record(frozen=False, kw_only=False)
class Holder:
    """A run that holds permits or waits for some."""

    pid: int
    run: str
    """For people: `Flow/42`."""
    limit: int
    """What it says the limit is; the smallest counts."""
    held: int = 0
    wants: int = 0
    since: float = 0.0
    """When it last got a permit, or began to wait."""
    seen: float = 0.0
    """When it was last heard of."""
    gone: float | None = None
    """When it was found dead. None: it lives."""


_HOLDER = tuple(item.name for item in fields(Holder))


@record(frozen=False, kw_only=False)
class Ledger:
    """One limit. All times are those of `machine_time`."""

    permit: str
    """`Permit.id`."""
    per_s: float | None
    """Length of the window, seconds. None: attempts at a time."""
    holders: dict[str, Holder] = field(default_factory=dict[str, Holder])
    """By token."""
    past: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    """Starts that count until a time: (until, how many), in order of time."""
    next_at: float = 0.0
    """When the next start may be."""

    def limit(self) -> int:
        """The smallest that a holder says; 0 while there is none."""
        return min((holder.limit for holder in self.holders.values()), default=0)

    def to_data(self) -> dict[str, Any]:  # Any: JSON-like
        """Return the ledger as plain lists, dicts and scalars."""
        return {
            "permit": self.permit,
            "per_s": self.per_s,
            "holders": {
                token: {name: getattr(holder, name) for name in _HOLDER}
                for token, holder in self.holders.items()
            },
            "past": list(self.past),
            "next_at": self.next_at,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Ledger:  # Any: JSON-like
        """Rebuild a ledger from `to_data`. Raises KeyError, TypeError or ValueError if it is none."""
        return cls(
            permit=str(data["permit"]),
            per_s=None if data["per_s"] is None else float(data["per_s"]),
            holders={token: Holder(**holder) for token, holder in data["holders"].items()},
            past=[(float(until), int(count)) for until, count in data["past"]],
            next_at=float(data["next_at"]),
        )


@record
class Offer:
    """What a holder says: what it holds from now on, and what it would like to have beside."""

    token: str
    pid: int
    run: str
    limit: int
    held: int
    wants: int
    started: Sequence[float] = ()
    """For starts: permits that are not held any more because what they allowed is past, as times by which it was."""


@record
class Answer:
    """What it is told."""

    given: int = 0
    """Permits that it holds from now on, beside those it said it holds."""
    recalled: int = 0
    """Permits that it should let go when it can, as others wait."""
    again_at: float | None = None
    """When asking again makes sense. None: when the ledger has changed."""
    limit: int = 0
    """The limit that counts."""
    others: tuple[str, ...] = ()
    """The runs that hold permits beside the one that asks: `Flow/42`."""


def exchange(ledger: Ledger, offer: Offer, now: float, is_alive: Callable[[str], bool]) -> Answer:
    """Take what a holder offers, give what it may have. Changes the ledger."""
    _bury_the_dead(ledger, offer.token, now, is_alive)
    me = ledger.holders.get(offer.token)
    if me is None or (offer.wants and not me.wants and not me.held):
        me = ledger.holders[offer.token] = Holder(offer.pid, offer.run, offer.limit, since=now)
    if offer.held < me.held:
        me.since = now  # it gave something back, and stands behind those that wait
    me.limit, me.held, me.wants = offer.limit, offer.held, offer.wants
    if now - me.seen >= SEEN_S:
        me.seen = now
    if ledger.per_s is None:
        answer = _answer_at_a_time(ledger, me, now)
    else:
        for at in offer.started:
            _count_start(ledger, ledger.per_s, at, 1)
        answer = _answer_starts(ledger, ledger.per_s, me, now)
    me.held += answer.given
    me.wants -= answer.given
    if answer.given:
        me.since = now
    if not me.held and not me.wants:
        del ledger.holders[offer.token]
    return answer


def _bury_the_dead(ledger: Ledger, asking: str, now: float, is_alive: Callable[[str], bool]) -> None:
    for token, holder in list(ledger.holders.items()):
        if token == asking or is_alive(token):
            continue
        if holder.gone is None:
            holder.gone = now
            holder.wants = 0
        elif not 0 <= now - holder.gone < GONE_S:
            del ledger.holders[token]
            if ledger.per_s is not None and holder.held:
                _count_start(ledger, ledger.per_s, now, holder.held)


# Attempts at a time ---------------------------------------------------------------------------------------------


def _answer_at_a_time(ledger: Ledger, me: Holder, now: float) -> Answer:
    holders = ledger.holders.values()
    limit = ledger.limit()
    free = max(0, limit - sum(holder.held for holder in holders))
    rivals = [
        holder for holder in holders if holder is not me and holder.wants and now - holder.seen <= FRESH_S
    ]
    active = sum(1 for holder in holders if holder.held) + sum(1 for rival in rivals if not rival.held)
    share = max(1, limit // max(1, active + (1 if me.wants and not me.held else 0)))
    lacking = [(rival, min(rival.wants, share - rival.held)) for rival in rivals if rival.held < share]
    first = sum(count for rival, count in lacking if rival.since < me.since)
    mine = min(me.wants, max(0, share - me.held), max(0, free - first))
    beyond = min(me.wants - mine, max(0, free - mine - sum(count for _, count in lacking)))
    shortage = sum(count for _, count in lacking) - (free - mine - beyond)
    recalled = min(max(0, me.held - share), max(0, shortage))
    if not recalled and shortage > 0 and me.held and now - me.since >= TURN_S:
        waits_for_a_turn = any(not rival.held for rival, _ in lacking)
        recalled = 1 if waits_for_a_turn and me.held >= share else 0
    others = tuple(holder.run for holder in holders if holder is not me and holder.held)
    return Answer(given=mine + beyond, recalled=recalled, limit=limit, others=others)


# Starts ---------------------------------------------------------------------------------------------------------


def _answer_starts(ledger: Ledger, per_s: float, me: Holder, now: float) -> Answer:
    limit = ledger.limit()
    longest = now + per_s * (MARGIN + 2 / BUCKETS)
    ledger.past = [(min(until, longest), count) for until, count in ledger.past if until > now]
    room = limit - sum(count for _, count in ledger.past) - sum(h.held for h in ledger.holders.values())
    apart = min(per_s / limit, EVEN_S)
    next_at = min(ledger.next_at, now + apart)
    due = 0 if next_at > now else 1 + floor((now - max(next_at, now - LATE_S)) / apart)
    given = max(0, min(me.wants, room, due))
    if given:
        next_at = max(next_at, now - LATE_S) + given * apart
    ledger.next_at = next_at
    if room > given:
        again_at: float | None = max(next_at, now)
    else:
        again_at = ledger.past[0][0] if ledger.past else None
    return Answer(given=given, again_at=again_at, limit=limit)


def _count_start(ledger: Ledger, per_s: float, at: float, count: int) -> None:
    part = per_s / BUCKETS
    until = ceil((at + per_s * MARGIN) / part) * part
    for place, (known, before) in enumerate(ledger.past):
        if known == until:
            ledger.past[place] = (known, before + count)
            return
    ledger.past.append((until, count))
    ledger.past.sort()
