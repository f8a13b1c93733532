"""What the scheduler and the zygote say to each other, as bytes on one stream socket.

To the zygote go frames: a fixed head (length of the body, verb, token), then the body. A launch's two pipe ends travel
beside the first byte of its frame, so they have always arrived when the frame is whole. The zygote does not look into
a launch: the forked child unpacks it. From the zygote come notes of one fixed size, many in one read.

An attempt has a token here, a number that the scheduler counts up.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

import msgpack

from asyncflow.machine.ids import Attempt, Frame, ManifestKey
from asyncflow.machine.outcome import ErrorInfo
from asyncflow.worker.spec import CacheSpec, RunSpec, TaskSpec

__all__ = [
    "MARKER",
    "NOTE_BYTES",
    "Frames",
    "Note",
    "Notes",
    "Said",
    "Told",
    "Verb",
    "frame",
    "marker",
    "note",
    "pack_run",
    "pack_task",
    "read_marker",
    "told",
    "unpack_run",
    "unpack_task",
]

_HEAD = struct.Struct("<IIQ")
_NOTE = struct.Struct("<iiQQ")
NOTE_BYTES = _NOTE.size

MARKER = b"\0manifest "
"""Begins a report that stands for one too long for a message: the outcome is in the attempt's manifest."""


class Verb(IntEnum):
    """What the scheduler asks of the zygote."""

    RUN = 1
    """Body: the run's spec. Once, before any launch."""
    LAUNCH = 2
    """Body: the task's spec. Two pipe ends come with it: stdout, stderr."""
    STOP = 3
    """Send SIGTERM to the attempt's process group."""
    FORCE = 4
    """Send SIGKILL to the attempt; what it leaves behind is killed anyway."""
    WORKER = 5
    """Fork an async worker. Body: a step whose environment it gets. Beside it stdout, stderr and its own socket."""


class Said(IntEnum):
    """What the zygote tells."""

    READY = 1
    """The flow is loaded; from here on only a killed zygote ends."""
    STARTED = 2
    """`value` is the pid."""
    REFUSED = 3
    """The attempt could not be forked; `value` is the errno."""
    EXITED = 4
    """The attempt's process ended and so did all it left behind. `value` is the exit code, negative for a signal."""


class Told(IntEnum):
    """What an async worker tells the scheduler; its token is the attempt's."""

    HELLO = 1
    """It is there. The token is its pid."""
    STARTED = 2
    REPORT = 3
    """Body: the report (`worker.report`)."""
    STDOUT = 4
    """Body: bytes that the attempt has printed."""
    STDERR = 5
    GIVEN_UP = 6
    """The attempt did not end when it was forced to. It counts as ended; the worker is to be given no other."""


class Note(NamedTuple):
    """One thing the zygote tells."""

    said: int
    value: int
    token: int
    peak_bytes: int = 0
    """For EXITED: most memory that the process had resident."""


def frame(verb: Verb, token: int = 0, body: bytes = b"") -> bytes:
    """Return a message to the zygote."""
    return _HEAD.pack(len(body), verb, token) + body


def told(kind: Told, token: int, body: bytes | bytearray = b"") -> bytes:
    """Return a message of an async worker; `Frames` cuts a stream of them."""
    return _HEAD.pack(len(body), kind, token) + body


def note(said: Said, value: int, token: int, peak_bytes: int = 0) -> bytes:
    """Return a message to the scheduler."""
    return _NOTE.pack(said, value, token, peak_bytes)


class Frames:
    """Cuts a stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> Iterator[tuple[int, int, bytes]]:
        """Take what came; yield (verb, token, body) of every frame that is whole."""
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _HEAD.size:
            length, verb, token = _HEAD.unpack_from(buffer, start)
            body_at = start + _HEAD.size
            if len(buffer) - body_at < length:
                break
            start = body_at + length
            yield verb, token, bytes(buffer[body_at:start])
        del buffer[:start]


class Notes:
    """Cuts a stream into notes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Note]:
        """Take what came; yield every note that is whole."""
        data = self._rest + data
        whole = len(data) - len(data) % NOTE_BYTES
        self._rest = data[whole:]
        return map(Note._make, _NOTE.iter_unpack(data[:whole]))


def marker(attempt: Attempt) -> bytes:
    """Return the stand-in for a report that is too long."""
    return MARKER + b"%d %d" % attempt


def read_marker(data: bytes) -> Attempt:
    """Say which attempt a stand-in is about."""
    task, number = data[len(MARKER) :].split()
    return Attempt(int(task), int(number))


def pack_run(spec: RunSpec, *, spawns: bool) -> bytes:
    """Return a run's spec as bytes. `spawns`: each task gets a fresh interpreter."""
    packed: bytes = msgpack.packb(
        [
            spawns,
            spec.run,
            spec.flow,
            spec.flow_file,
            spec.store_root,
            spec.parameters,
            spec.user,
            spec.tags,
            spec.namespace,
            spec.origin_run,
            spec.environment,
            spec.project,
            spec.looks_in_namespace,
            spec.triggers,
        ]
    )
    return packed


def unpack_run(data: bytes) -> tuple[RunSpec, bool]:
    """Read a run's spec, and whether each task gets a fresh interpreter."""
    spawns, run, flow, flow_file, store_root, parameters, user, tags, namespace, *more = msgpack.unpackb(data)
    origin_run, environment, project, looks_in_namespace, triggers = more
    spec = RunSpec(
        run=run,
        flow=flow,
        flow_file=flow_file,
        store_root=store_root,
        parameters=ManifestKey(*parameters),
        user=user,
        tags=tuple(tags),
        namespace=namespace,
        origin_run=origin_run,
        environment=environment,
        project=project,
        looks_in_namespace=looks_in_namespace,
        triggers=tuple(triggers),
    )
    return spec, spawns


def pack_task(spec: TaskSpec) -> bytes:
    """Return a task's spec as bytes."""
    inputs = spec.inputs if isinstance(spec.inputs, tuple | list) else list(spec.inputs)
    packed: bytes = msgpack.packb(
        [
            spec.run,
            spec.attempt,
            spec.step,
            inputs,
            spec.split,
            spec.index,
            spec.width,
            spec.frames,
            spec.iteration,
            spec.catches,
            spec.fallback,
            spec.timeout_s,
            spec.max_retries,
            spec.cache,
        ]
    )
    return packed


def unpack_task(data: bytes) -> TaskSpec:
    """Read a task's spec."""
    fields: list[Any] = msgpack.unpackb(data)  # Any: as msgpack gives them
    run, attempt, step, inputs, split, index, width, frames, iteration, catches, fallback, *rest = fields
    timeout_s, max_retries, cached = rest
    return TaskSpec(
        run=run,
        attempt=Attempt(*attempt),
        step=step,
        inputs=[ManifestKey(*key) for key in inputs],
        split=None if split is None else ManifestKey(*split),
        index=index,
        width=width,
        frames=tuple(Frame(*level) for level in frames),
        iteration=iteration,
        catches=catches,
        fallback=None if fallback is None else _error(fallback),
        timeout_s=timeout_s,
        max_retries=max_retries,
        cache=None if cached is None else CacheSpec(cached[0], cached[1], tuple(cached[2])),
    )


def _error(fields: list[Any]) -> ErrorInfo:  # Any: as msgpack gives them
    kind, message, trace, bases, is_retryable, leaves = fields
    return ErrorInfo(kind, message, trace, tuple(bases), is_retryable, tuple(tuple(leaf) for leaf in leaves))
