"""Tags typed in one line: `a, b` puts two on, `-a` takes one off."""

from __future__ import annotations

from collections.abc import Sequence

from asyncflow.client.changing import edit_tags
from asyncflow.errors import AsyncflowError
from asyncflow.events.reader import Reader
from asyncflow.users import user_name

__all__ = ["set_tags", "tags_question"]


def tags_question(run: int, tags: Sequence[str]) -> tuple[str, str]:
    """Return title and hint of the line that asks for tags."""
    has = f"has {', '.join(tags)}" if tags else "has none"
    return f"Tags of run {run}", f"it {has}; put on: a, b; take off: -a"


def set_tags(path: str, run: int, text: str) -> str:
    """Do as the line says; return what to tell. Blocking.

    Args:
        path: The database.
        run: The run.
        text: What was typed; empty changes nothing.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    remove = [word[1:] for word in words if word.startswith("-")]
    add = [word for word in words if not word.startswith("-")]
    try:
        if words:
            edit_tags(path, run, add=add, remove=remove, by=user_name())
        with Reader(path) as reader:
            tags = [row.tag for row in reader.tags(run) if not row.is_system]
    except AsyncflowError as error:
        return error.message
    return f"Tags of run {run}: {', '.join(tags)}" if tags else f"Run {run} has no tags"
