"""Text of a task as it may stand in markup: nothing in it is markup, turns the writing round, or cannot be seen."""

from __future__ import annotations

from markupsafe import Markup, escape

from asyncflow.text import visible

__all__ = ["shown"]


def shown(text: str) -> Markup:
    """Return the text, escaped."""
    return escape(visible(text))
