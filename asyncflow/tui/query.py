"""What people type to find runs: `flow:Digits status:failed tag:x user:me since:2d`, and any other word as text."""

from __future__ import annotations

import time
from dataclasses import dataclass

from asyncflow.events.rows import RunRow
from asyncflow.text import parse_moment

__all__ = ["RunQuery", "parse_query"]

_NAMES = ("flow", "status", "tag", "user", "since")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs."""

    flow: str | None = None
    status: str | None = None
    tags: tuple[str, ...] = ()
    user: str | None = None
    since: float | None = None
    words: tuple[str, ...] = ()
    """Each is part of the run's number, flow, user or status."""

    def has(self, row: RunRow) -> bool:
        """Tell whether a run has all the words."""
        text = f"{row.run} {row.flow} {row.user} {row.status}".lower()
        return all(word in text for word in self.words)


def parse_query(text: str) -> tuple[RunQuery, str]:
    """Read a query; return it, and what is wrong with it (empty: nothing).

    `--flow X`, `--flow=X` and `flow:X` mean the same, as in `asyncflow runs`.
    """
    found: dict[str, str] = {}
    tags: list[str] = []
    words: list[str] = []
    problem = ""
    parts = text.replace("=", ":").split()
    while parts:
        part = parts.pop(0)
        name, colon, value = part.lstrip("-").partition(":")
        if name in _NAMES and not colon and part.startswith("--"):
            value, colon = (parts.pop(0) if parts else ""), ":"
        if name not in _NAMES or not colon:
            words.append(part.lower())
        elif name == "tag":
            tags.append(value)
        else:
            found[name] = value
    since = parse_moment(found["since"], time.time()) if "since" in found else None
    if "since" in found and since is None:
        problem = f"'{found['since']}' is no time: write 30m, 2h, 3d or 2026-01-31"
    query = RunQuery(
        flow=found.get("flow") or None,
        status=found.get("status") or None,
        tags=tuple(tag for tag in tags if tag),
        user=found.get("user") or None,
        since=since,
        words=tuple(words),
    )
    return query, problem
