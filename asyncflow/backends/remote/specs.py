"""Spec objects: what the workers of several attempts are told, in one object of the store.

`AFSP`, the header's length (4 bytes, little-endian), the header as msgpack, then the sections it names by offset and
length, counted from the header's end: each attempt's spec, and the manifests that they start from, each once. So one
launch of a thousand siblings is one object, and a worker reads the header, its own spec and what that names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgpack

from asyncflow.backends.local.wire import pack_run, pack_task, unpack_run, unpack_task
from asyncflow.errors import StoreError
from asyncflow.machine.ids import ManifestKey
from asyncflow.records import record
from asyncflow.worker.spec import RunSpec, TaskSpec

__all__ = ["FIRST_BYTES", "Luggage", "Orders", "SpecWriter", "manifests_of", "read_orders"]

FIRST_BYTES = 256 << 10
"""A worker's first look; mostly it is all that there is."""
_MAGIC = b"AFSP"
_PREFIX_BYTES = 8


@record
class Luggage:
    """What is the same for all workers of a run, beside its spec."""

    attached: bytes
    """The decorators put on the flow from outside (`backends.local.reload`)."""
    configs: Mapping[str, Any]  # Any: JSON-like
    """Values of the flow's configs, by name."""
    flow_file: str
    """Relative to where the code package is unpacked; absolute where workers see the scheduler's files."""
    seal: bytes = b""
    """Key for results that go through the platform's hands (`handover`). Empty: none does."""


class Orders(NamedTuple):
    """What one worker is told."""

    run: RunSpec
    task: TaskSpec
    luggage: Luggage
    manifests: Mapping[ManifestKey, bytes]
    """Those it starts from, and the parameters', as they lie in packs."""


def manifests_of(run: RunSpec, task: TaskSpec) -> list[ManifestKey]:
    """Return the manifests that an attempt starts from."""
    split = [] if task.split is None else [task.split]
    return list(dict.fromkeys([run.parameters, *split, *task.inputs]))


class SpecWriter:
    """Makes one spec object.

    Args:
        run: The run's spec; what it says of the store's directory is for workers to say.
        luggage: The same for all.
        read: Returns a manifest as it lies in its pack. Raises StoreError.
    """

    def __init__(self, run: RunSpec, luggage: Luggage, read: Callable[[ManifestKey], bytes]) -> None:
        self._run = run
        self._luggage = luggage
        self._read = read
        self._sections: list[bytes] = []
        self._end = 0
        self._tasks: list[tuple[int, int]] = []
        self._manifests: dict[ManifestKey, tuple[int, int]] = {}

    @property
    def size_bytes(self) -> int:
        """How long the object is about to be, roughly."""
        return self._end

    def add(self, task: TaskSpec) -> int:
        """Add an attempt; return its index. Raises StoreError if a manifest that it starts from cannot be read."""
        for key in manifests_of(self._run, task):
            if key not in self._manifests:
                self._manifests[key] = self._section(self._read(key))
        self._tasks.append(self._section(pack_task(task)))
        return len(self._tasks) - 1

    def finish(self) -> bytes:
        """Return the object."""
        header: bytes = msgpack.packb(
            {
                "run": pack_run(self._run, spawns=False),
                "attached": self._luggage.attached,
                "configs": dict(self._luggage.configs),
                "flow_file": self._luggage.flow_file,
                "seal": self._luggage.seal,
                "tasks": self._tasks,
                "manifests": [[*key, *place] for key, place in self._manifests.items()],
            }
        )
        return b"".join((_MAGIC, len(header).to_bytes(4, "little"), header, *self._sections))

    def _section(self, data: bytes) -> tuple[int, int]:
        place = (self._end, len(data))
        self._sections.append(data)
        self._end += len(data)
        return place


def read_orders(read: Callable[[int, int], bytes], index: int) -> Orders:
    """Read what one worker is told.

    Args:
        read: Returns that many bytes of the object from an offset on, fewer at its end.
        index: Which of its attempts.

    Raises:
        StoreError: The object is none, is cut off, or has no such attempt.
    """
    first = read(0, FIRST_BYTES)
    if first[:4] != _MAGIC:
        raise StoreError("What this worker is to do cannot be read: it does not begin as orders do")
    base = _PREFIX_BYTES + int.from_bytes(first[4:8], "little")
    window = _Window(first, read)
    try:
        header: dict[str, Any] = msgpack.unpackb(window.bytes(_PREFIX_BYTES, base - _PREFIX_BYTES))
        run, _ = unpack_run(header["run"])
        offset, length = header["tasks"][index]
        task = unpack_task(window.bytes(base + offset, length))
        places = {ManifestKey(*row[:3]): (base + row[3], row[4]) for row in header["manifests"]}
        wanted = {key: places[key] for key in manifests_of(run, task)}
        window.prepare(wanted.values())
        return Orders(
            run=run,
            task=task,
            luggage=Luggage(
                attached=header["attached"],
                configs=header["configs"],
                flow_file=header["flow_file"],
                seal=header.get("seal", b""),
            ),
            manifests={key: window.bytes(*place) for key, place in wanted.items()},
        )
    except (KeyError, IndexError, TypeError, ValueError, msgpack.UnpackException) as error:
        raise StoreError(f"What this worker is to do cannot be read: {error!r}") from error


class _Window:
    """Bytes of an object that were read already, and those that are read when they are asked for."""

    def __init__(self, first: bytes, read: Callable[[int, int], bytes]) -> None:
        self._pieces: list[tuple[int, bytes]] = [(0, first)]
        self._read = read

    def prepare(self, places: Iterable[tuple[int, int]]) -> None:
        """Read all of these with one request, unless they are here: those that lie together are wanted together."""
        missing: Sequence[tuple[int, int]] = [place for place in places if self._known(*place) is None]
        if missing:
            begin = min(offset for offset, _ in missing)
            end = max(offset + length for offset, length in missing)
            self._pieces.append((begin, self._read(begin, end - begin)))

    def bytes(self, offset: int, length: int) -> bytes:
        """Return bytes. Raises ValueError if the object is shorter."""
        known = self._known(offset, length)
        if known is not None:
            return known
        data = self._read(offset, length)
        if len(data) != length:
            raise ValueError("it is cut off")
        return data

    def _known(self, offset: int, length: int) -> bytes | None:
        for begin, data in self._pieces:
            if begin <= offset and offset + length <= begin + len(data):
                return data[offset - begin : offset - begin + length]
        return None
