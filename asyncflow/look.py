"""How things look: glyphs (with an ASCII form), colours by role, themes. A status is glyph, word and colour."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.style import Style

__all__ = [
    "PALETTES",
    "Glyphs",
    "Palette",
    "Span",
    "bar",
    "glyphs",
    "is_ascii",
    "palette_named",
    "sparkline",
    "status_spans",
]


class Span(NamedTuple):
    """A piece of text and its role in the palette."""

    text: str
    role: str = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """The characters we draw with."""

    statuses: Mapping[str, str]
    full: str
    half: str
    empty: str
    spark: str
    """From low to high."""
    cursor: str
    """In front of the row that is chosen."""
    rule: str
    vertical: str
    corners: str
    """Top left, top right, bottom left, bottom right, as a box has them."""
    tees: str
    """Down, up, right, left, cross."""
    mark: str
    """Of steps on the critical path."""
    arrow_down: str
    arrow_right: str
    times: str
    dot: str
    ellipsis: str
    spinner: str


_UNICODE = Glyphs(
    statuses={
        "idle": "·", "created": "○", "running": "●", "waiting": "↻", "succeeded": "✓", "caught": "⚑",
        "failed": "✗", "cancelled": "⊘", "cloned": "≡", "interrupted": "‖", "lost": "?",
    },
    full="━", half="╸", empty="─", spark="▁▂▃▄▅▆▇█", cursor="▌", rule="─", vertical="│", corners="╭╮╰╯",
    tees="┬┴├┤┼", mark="◆", arrow_down="▼", arrow_right="▶", times="×", dot="·", ellipsis="…", spinner="⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏",
)  # fmt: skip
_ASCII = Glyphs(
    statuses={
        "idle": ".", "created": "o", "running": ">", "waiting": "~", "succeeded": "+", "caught": "c",
        "failed": "x", "cancelled": "/", "cloned": "=", "interrupted": "!", "lost": "?",
    },
    full="#", half="#", empty="-", spark="_.-=+*#@", cursor=">", rule="-", vertical="|", corners="++++",
    tees="+++++", mark="*", arrow_down="v", arrow_right=">", times="x", dot=".", ellipsis="~", spinner="|/-\\",
)  # fmt: skip

_WORDS = {
    "idle": "not yet",
    "created": "queued",
    "waiting": "retrying",
    "caught": "caught",
    "cloned": "cached",
}
"""Words for people, where they are not the views' own."""
_ROLES = {
    "idle": "dim", "created": "queued", "running": "running", "waiting": "waiting", "succeeded": "good",
    "caught": "waiting", "failed": "bad", "cancelled": "stopped", "cloned": "cached", "interrupted": "stopped",
    "lost": "stopped",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Colours by role, and what Textual's own widgets are given."""

    name: str
    title: str
    is_dark: bool
    background: str
    surface: str
    panel: str
    text: str
    dim: str
    accent: str
    good: str
    bad: str
    running: str
    waiting: str
    queued: str
    stopped: str
    cached: str
    cursor: str
    """Background of the row that is chosen in the pane that has the focus."""
    trail: str
    """The same where it has not."""

    def styles(self) -> dict[str, Style]:
        """Return the style of each role."""
        plain = {
            name: Style(color=getattr(self, name))
            for name in (
                "text",
                "dim",
                "accent",
                "good",
                "bad",
                "running",
                "waiting",
                "queued",
                "stopped",
                "cached",
            )
        }
        return {
            **plain,
            "bold": Style(color=self.text, bold=True),
            "head": Style(color=self.dim, bold=True),
            "title": Style(color=self.accent, bold=True),
            "strong-bad": Style(color=self.bad, bold=True),
            "strong-good": Style(color=self.good, bold=True),
            "strong-running": Style(color=self.running, bold=True),
            "strong-stopped": Style(color=self.stopped, bold=True),
            "hit": Style(color=self.background, bgcolor=self.waiting),
            "hit-here": Style(color=self.background, bgcolor=self.accent, bold=True),
            "key": Style(color=self.accent, bold=True),
            "stderr": Style(color=self.waiting),
            "faint": Style(color=self.panel),
            "chip": Style(color=self.background, bgcolor=self.accent, bold=True),
        }


_NIGHT = Palette(
    name="asyncflow-night", title="Night", is_dark=True,
    background="#12151c", surface="#181c25", panel="#2b3240", text="#d6dbe5", dim="#7c8699", accent="#7aa2f7",
    good="#7fc98f", bad="#f2727f", running="#5fb8e8", waiting="#e6b455", queued="#9aa5ba", stopped="#c99a6b",
    cached="#a78bda", cursor="#2a3550", trail="#20262f",
)  # fmt: skip
_DAY = Palette(
    name="asyncflow-day", title="Day", is_dark=False,
    background="#fbfbfa", surface="#f2f2ef", panel="#d4d5d2", text="#2b2f36", dim="#6c727c", accent="#2f5fc4",
    good="#2b7d3f", bad="#c0303f", running="#0f6f9f", waiting="#8f6400", queued="#5d6675", stopped="#8a5520",
    cached="#6b4aa8", cursor="#d5e0f7", trail="#e8eae8",
)  # fmt: skip
_CLEAR = Palette(
    # Okabe and Ito's colours, which people with any of the common colour-vision deficiencies tell apart.
    name="asyncflow-clear", title="Clear (high contrast, colour-blind safe)", is_dark=True,
    background="#000000", surface="#0c0c0c", panel="#4a4a4a", text="#ffffff", dim="#b4b4b4", accent="#56b4e9",
    good="#56b4e9", bad="#ff8c42", running="#f0e442", waiting="#e69f00", queued="#cccccc", stopped="#cc79a7",
    cached="#00c79b", cursor="#003a6b", trail="#222222",
)  # fmt: skip

PALETTES = {palette.name: palette for palette in (_NIGHT, _DAY, _CLEAR)}


def palette_named(wanted: str, ground: str = "") -> Palette:
    """Return the palette of a name, with or without `asyncflow-`; of another name, one for the terminal's ground.

    Args:
        wanted: What `ASYNCFLOW_THEME` says.
        ground: What some terminals say in `COLORFGBG`: `0;15` is black on white. Empty: a dark ground.
    """
    for name, palette in PALETTES.items():
        if wanted in (name, name.removeprefix("asyncflow-")):
            return palette
    return _DAY if ground.rpartition(";")[2] in ("7", "15") else _NIGHT


def is_ascii() -> bool:
    """Tell whether only ASCII is to be drawn: `ASYNCFLOW_ASCII`, or a terminal that is not in UTF-8."""
    asked = os.environ.get("ASYNCFLOW_ASCII", "")
    if asked:
        return asked not in ("0", "no", "false")
    return "utf" not in (getattr(sys.__stdout__, "encoding", None) or "utf-8").lower()


def glyphs() -> Glyphs:
    """Return the characters that this terminal can show."""
    return _ASCII if is_ascii() else _UNICODE


def status_spans(status: str, drawn: Glyphs, *, word: str | None = None) -> tuple[Span, ...]:
    """Return a status as glyph and word in its colour."""
    role = _ROLES.get(status, "text")
    shown = _WORDS.get(status, status) if word is None else word
    return (Span(f"{drawn.statuses.get(status, '?')} {shown}", role),)


def bar(parts: Sequence[tuple[float, str]], total: float, width: int, drawn: Glyphs) -> tuple[Span, ...]:
    """Return a bar of `width` cells; each part is an amount of `total` and a role."""
    spans: list[Span] = []
    reached, filled = 0.0, 0
    for amount, role in parts:
        reached += amount
        until = round(width * min(1.0, reached / total)) if total else 0
        if amount and until == filled and filled < width:
            until += 1  # what is there is seen, however small its share
        if until > filled:
            spans.append(Span(drawn.full * (until - filled), role))
            filled = until
    if filled < width:
        spans.append(Span(drawn.empty * (width - filled), "faint"))
    return tuple(spans)


def sparkline(values: Sequence[float], width: int, drawn: Glyphs) -> str:
    """Return the last `width` values as little columns."""
    shown = list(values)[-width:]
    if not shown:
        return ""
    top = max(shown) or 1.0
    return "".join(drawn.spark[min(7, int(value / top * 7.99))] for value in shown)
