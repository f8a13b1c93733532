"""Live cards of attempts elsewhere: which objects of the store are new, and the files they become here."""

from __future__ import annotations

import os
from collections.abc import Iterable

from asyncflow.store.failures import write_failure
from asyncflow.store.files import publish, temporary, unlink_quietly, write_all
from asyncflow.store.layout import live_cards_path
from asyncflow.store.objects import ObjectInfo
from asyncflow.store.s3.keys import parse_cards_key

__all__ = ["LiveFiles"]


class LiveFiles:
    """What is here of a run's live cards.

    Args:
        root: The store's directory.
        run: The run.
    """

    def __init__(self, root: str, run: int) -> None:
        self._root = root
        self._run = run
        self._known: dict[str, str] = {}
        """ETag by key, of what was taken."""

    def changed(self, found: Iterable[ObjectInfo]) -> list[ObjectInfo]:
        """Return what is new of all there is, and remove here what is gone there: those attempts have ended."""
        infos = {info.key: info for info in found}
        for key in [key for key in self._known if key not in infos]:
            del self._known[key]
            at = parse_cards_key(key)
            if at is not None:
                unlink_quietly(live_cards_path(self._root, self._run, *at))
        return [info for key, info in infos.items() if self._known.get(key) != info.etag]

    def take(self, key: str, etag: str, data: bytes) -> None:
        """Keep what an attempt shows. Raises StoreError."""
        at = parse_cards_key(key)
        if at is None:
            return
        path = live_cards_path(self._root, self._run, *at)
        try:
            fd, written = temporary(self._root)
            try:
                write_all(fd, [data])
            finally:
                os.close(fd)
            publish(written, path)
        except OSError as error:
            raise write_failure(error, path, "What a task's cards show") from error
        self._known[key] = etag
