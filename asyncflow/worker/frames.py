"""The foreach stack a task stands in, taken from the manifests above it."""

from __future__ import annotations

from typing import Any

from asyncflow.errors import StoreError
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import FrameRecord, Manifest

__all__ = ["Frames", "frames_below"]

_FETCHED_BYTES = 64 << 10


def frames_below(parent: Manifest, index: int | None, width: int | None) -> tuple[FrameRecord, ...]:
    """Return the stack of a task that starts from `parent`; with an index it is a branch of that split."""
    if index is None:
        return parent.frames
    here = FrameRecord(
        split_step=parent.step,
        variable=parent.variable,
        index=index,
        width=width or parent.width or len(parent.next),
        items=parent.items,
    )
    return (*parent.frames, here)


class Frames:
    """What `self.input`, `self.index` and `self.foreach_stack()` say. An item is read when asked for, and only it.

    A gang counts as a level whose items are the numbers of its nodes; a static split is no level.
    """

    __slots__ = ("_fetched", "_levels", "_store", "_values")

    def __init__(self, store: LocalStore, frames: tuple[FrameRecord, ...], gangs: frozenset[str]) -> None:
        self._store = store
        self._levels = [frame for frame in frames if frame.variable is not None or frame.split_step in gangs]
        self._values: dict[int, object] = {}
        self._fetched: bytearray | None = None

    def fetch(self) -> None:
        """Read the bytes of the innermost level's item, if they are few, without making the object of them.

        What cannot be read is told when the item is asked for.
        """
        frame = self._levels[-1] if self._levels else None
        if frame is not None and frame.items is not None:
            try:
                self._fetched = self._store.read_item_bytes(
                    frame.items, frame.index, path=_path_of(frame), most_bytes=_FETCHED_BYTES
                )
            except StoreError:
                return

    @property
    def index(self) -> int | None:
        """Index in the innermost level; None outside a foreach."""
        return self._levels[-1].index if self._levels else None

    @property
    def input(self) -> Any:  # Any: the user's object
        """Item of the innermost level; None outside a foreach. Raises StoreError."""
        return self._value(len(self._levels) - 1) if self._levels else None

    def stack(self) -> list[tuple[int, int, Any]]:  # Any: the user's objects
        """Return (index, number of splits, value) per level, outermost first. Raises StoreError."""
        return [(frame.index, frame.width, self._value(level)) for level, frame in enumerate(self._levels)]

    def _value(self, level: int) -> Any:  # Any: the user's object
        frame = self._levels[level]
        if frame.items is None:
            return frame.index
        if level not in self._values:
            path = _path_of(frame)
            if self._fetched is not None and level == len(self._levels) - 1:
                value = self._store.item_from(frame.items, frame.index, self._fetched, path=path)
            else:
                value = self._store.read_item(frame.items, frame.index, path=path)
            self._values[level] = value
        return self._values[level]


def _path_of(frame: FrameRecord) -> str:
    return f"self.{frame.variable} (foreach of step {frame.split_step})"
