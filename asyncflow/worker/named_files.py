"""Files that a step's result depends on because the user said so (`@cache(files=...)`): whether they are as they were.

A directory counts with all files below it. Names are as the user wrote them, looked for from the working directory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from asyncflow.store.digests import digest_of
from asyncflow.store.reads import ABSENT, text_digest

__all__ = ["content_digest", "stamp_of"]


def stamp_of(path: str) -> str:
    """Return what changes when a file changes, without reading it; `ABSENT` if it is not there."""
    lines: list[str] = []
    for one in _files(path):
        try:
            status = os.stat(one)
        except OSError:
            continue
        lines.append(f"{one} {status.st_mtime_ns} {status.st_size} {status.st_ino} {status.st_dev}")
    if not lines:
        return "empty" if os.path.isdir(os.path.expanduser(path)) else ABSENT
    return text_digest("\n".join(lines))


def content_digest(path: str) -> str:
    """Return a digest of a file, or of all names and contents below a directory; `ABSENT` if it is not there."""
    root = os.path.expanduser(path)
    if not os.path.isdir(root):
        return _digest(root)
    found = [f"{os.path.relpath(one, root)} {_digest(one)}" for one in _files(path)]
    return text_digest("\n".join(["a directory", *found]))


def _files(path: str) -> Iterator[str]:
    root = os.path.expanduser(path)
    if not os.path.isdir(root):
        yield root
        return
    for parent, directories, files in os.walk(root):
        directories.sort()
        yield from (f"{parent}/{name}" for name in sorted(files))


def _digest(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return ABSENT
    except OSError as error:  # it may not be read; then its stamp alone tells that it has changed
        return f"unreadable {type(error).__name__} {stamp_of(path)}"
    return digest_of([data], len(data))
