"""Rows that the store has too many of: fetched page by page when they come into sight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

__all__ = ["Pages"]

_T = TypeVar("_T")

_KEPT = 20
"""Pages that are remembered."""


class Pages(Generic[_T]):
    """A long list of which some pages are known.

    Args:
        want: Called with the number of a page that is looked at and not known; answers later with `put`.
        size: Rows a page.
    """

    def __init__(self, want: Callable[[int], None], *, size: int = 100) -> None:
        self.size = size
        self.count = 0
        self._want = want
        self._pages: dict[int, Sequence[_T]] = {}
        self._wanted: dict[int, None] = {}

    def __len__(self) -> int:
        return self.count

    def get(self, index: int) -> _T | None:
        """Return a row, None while it is on its way."""
        number, offset = divmod(index, self.size)
        page = self._pages.get(number)
        if page is None:
            if number not in self._wanted:
                self._wanted[number] = None
                self._want(number)
            return None
        return page[offset] if offset < len(page) else None

    def put(self, number: int, rows: Sequence[_T]) -> None:
        """Take in a page."""
        self._wanted.pop(number, None)
        self._pages.pop(number, None)
        self._pages[number] = rows
        while len(self._pages) > _KEPT:
            del self._pages[next(iter(self._pages))]

    def known(self) -> list[int]:
        """Return the numbers of the pages that are known."""
        return list(self._pages)

    def forget(self) -> None:
        """Forget all rows, because others are asked for."""
        self._pages.clear()
        self._wanted.clear()
        self.count = 0
