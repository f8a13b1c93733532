"""Tags put on a run, or taken off, after it was started: by people, beside its driver, which need not know."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing

from asyncflow.errors import UserError
from asyncflow.events.database import open_writer, statement, store_error, transaction

__all__ = ["MOST_TAGS", "TaggingError", "edit_in", "edit_tags"]

MOST_TAGS = 50
"""How many tags of its user a run may have."""
_LONGEST = 500


class TaggingError(UserError):
    """A tag cannot be put on a run, or taken off."""

    headline = "Tags not changed"


def edit_tags(path: str, run: int, *, add: Iterable[str] = (), remove: Iterable[str] = (), by: str) -> None:
    """Take tags off a run and put others on, all at once; what is as asked already is left alone.

    Blocking: waits for other writers.

    Args:
        path: The database.
        run: The run.
        add: Tags to put on, after those to `remove` are off. One that the system gave the run is left out.
        remove: Tags to take off.
        by: Who asks.

    Raises:
        TaggingError: A tag is none, belongs to the system, or there would be too many. Nothing was changed.
        StoreError: The store cannot be written; nothing was changed.
    """
    added, removed = _checked(add), _checked(remove)
    with closing(open_writer(path)) as db:
        try:
            with transaction(db):
                _edit(db, run, added, removed, by)
        except sqlite3.Error as error:
            raise store_error(error, path, f"The tags of run {run} were not changed") from error


def edit_in(db: sqlite3.Connection, run: int, add: Iterable[str], remove: Iterable[str], by: str) -> None:
    """Do as `edit_tags`, inside a write transaction. Raises TaggingError."""
    _edit(db, run, _checked(add), _checked(remove), by)


def _edit(db: sqlite3.Connection, run: int, add: list[str], remove: list[str], by: str) -> None:
    users: dict[str, None] = {}
    systems: dict[str, None] = {}
    for _, tag, is_system in db.execute(statement("tags"), (run,)):
        (systems if is_system else users)[tag] = None
    fixed = [tag for tag in remove if tag in systems]
    if fixed:
        raise TaggingError(
            f"Run {run} has the tag '{fixed[0]}' from the system, and keeps it",
            hint="Tags of the system say what is: user:, date:, python_version:, asyncflow_version:.",
        )
    wanted = {tag: None for tag in users if tag not in remove} | {
        tag: None for tag in add if tag not in systems
    }
    if len(wanted) > MOST_TAGS and len(wanted) > len(users):
        raise TaggingError(
            f"Run {run} would have {len(wanted)} tags; {MOST_TAGS} is the most",
            hint=f"Take some off first: asyncflow tag remove {run} TAG",
        )
    now = time.time()
    edits = [(run, tag, 0, by, now) for tag in users if tag not in wanted]
    edits += [(run, tag, 1, by, now) for tag in wanted if tag not in users]
    db.executemany(statement("put_tag_edit"), edits)


def _checked(tags: Iterable[str]) -> list[str]:
    if isinstance(tags, str):
        tags = (tags,)
    found = list(dict.fromkeys(tags))
    for tag in found:
        _check(tag)
    return found


def _check(tag: object) -> None:
    if not isinstance(tag, str):
        raise TaggingError(f"A tag is a text, and {tag!r:.100} is a {type(tag).__name__}")
    if not tag.strip():
        raise TaggingError("A tag must not be empty")
    if len(tag) > _LONGEST:
        raise TaggingError(f"A tag has at most {_LONGEST} characters, this one has {len(tag)}")
    try:
        tag.encode()
    except UnicodeEncodeError as error:
        raise TaggingError(f"The tag {tag!r:.100} is no text that can be written as UTF-8") from error
