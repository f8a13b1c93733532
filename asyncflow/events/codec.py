"""Events to bytes and back: msgpack arrays `[code, version, field, field, ...]`, fields in the order of the class.

Rules that keep every log readable for ever:

- A kind's code is never given to another kind, a field is only ever added, last in its class and with a default.
- A missing field gets its default; fields beyond those known are skipped and kept (`decode_kept`).
- A nested tuple (`Limits`, `ErrorInfo`, ...) that a newer release made longer stays longer: read it by name.
- A kind that is not known becomes an `UnknownEvent`, which holds its bytes; folds skip it, its number counts.

How each class is taken apart and put together is worked out once, at import; nothing is looked up per event.
Measured on one core: `AttemptSucceeded` with one artifact, 120 bytes, 0.7 us to encode and 1.6 us to decode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple, cast

from asyncflow.errors import InternalError, StoreError
from asyncflow.events import wire
from asyncflow.machine import events as ev
from asyncflow.machine.ids import ManifestKey
from asyncflow.machine.outcome import ArtifactRef, ErrorInfo, Usage
from asyncflow.records import MISSING, Field, fields, record

__all__ = [
    "Kept",
    "Recorded",
    "UnknownEvent",
    "decode",
    "decode_batch",
    "decode_kept",
    "encode",
    "encode_batch",
    "schema",
    "to_plain",
]


@record
class UnknownEvent:
    """An event of a newer release, kept byte for byte. Folds skip it."""

    kind: int
    """Its code."""
    data: bytes
    """What `encode` would have given."""


Recorded = ev.Event | UnknownEvent
"""What a log gives back."""


class Kept(NamedTuple):
    """An event with what this release does not know of it; `encode(*kept)` gives the same values again."""

    event: Recorded
    rest: tuple[object, ...] = ()
    """Values of the fields that a newer release added."""


class _Kind(NamedTuple):
    code: int
    version: int
    """Grows whenever fields are added; which release wrote an event can be told from it."""
    cls: type


# A code is given once and never again. A kind that goes out of use keeps its line.
_KINDS: tuple[_Kind, ...] = (
    _Kind(1, 1, ev.RunCreated),
    _Kind(2, 1, ev.DriverChanged),
    _Kind(3, 1, ev.TaskCreated),
    _Kind(4, 1, ev.TaskCloned),
    _Kind(5, 1, ev.AttemptLaunched),
    _Kind(6, 2, ev.AttemptStarted),
    _Kind(7, 2, ev.AttemptSucceeded),
    _Kind(8, 1, ev.AttemptFailed),
    _Kind(9, 1, ev.AttemptLost),
    _Kind(10, 1, ev.AttemptTimedOut),
    _Kind(11, 1, ev.AttemptCancelled),
    _Kind(12, 2, ev.StopAsked),
    _Kind(13, 2, ev.RetryScheduled),
    _Kind(14, 1, ev.RetryDue),
    _Kind(15, 1, ev.TaskFailed),
    _Kind(16, 1, ev.ScopeOpened),
    _Kind(17, 1, ev.RunStopping),
    _Kind(18, 1, ev.LimitsChanged),
    _Kind(19, 1, ev.RunFinished),
    _Kind(20, 1, ev.FactIgnored),
    _Kind(21, 1, ev.PermitsGranted),
    _Kind(22, 1, ev.PermitsReturned),
    _Kind(23, 1, ev.AttemptPending),
)


def encode(event: Recorded, rest: Sequence[object] = ()) -> bytes:
    """Return the event as bytes; `rest` are values of fields that this release does not know.

    Raises:
        InternalError: The event holds something that is not a number, text, bytes, list or mapping.
    """
    if isinstance(event, UnknownEvent):
        return event.data
    shape = _BY_CLASS[type(event)]
    try:
        return wire.pack((*shape.prefix, *shape.take(event), *rest))
    except (TypeError, ValueError, OverflowError) as error:
        raise _unpackable(event, error) from error


def encode_batch(events: Sequence[Recorded]) -> bytes:
    """Return the events as one msgpack array of what `encode` gives for each. Raises as `encode` does."""
    shapes = _BY_CLASS
    try:
        return wire.pack([(shape := shapes[type(event)]).prefix + shape.take(event) for event in events])
    except KeyError:  # an UnknownEvent among them: its bytes are copied as they are
        return wire.array_header(len(events)) + b"".join(encode(event) for event in events)
    except (TypeError, ValueError, OverflowError) as error:
        for event in events:
            encode(event)  # raises for the one that is at fault
        raise InternalError(f"A batch of {len(events)} events cannot be encoded: {error}") from error


def decode(data: bytes) -> Recorded:
    """Return the event that `encode` was given.

    Raises:
        StoreError: The bytes are damaged.
    """
    return decode_kept(data).event


def decode_kept(data: bytes) -> Kept:
    """Return the event and the values of fields that a newer release added. Raises as `decode` does."""
    values = _unpack(data)
    event = _event(values)
    if event is None:
        return Kept(UnknownEvent(kind=values[0], data=bytes(data)))
    return Kept(event, tuple(values[2 + _BY_CLASS[type(event)].size :]))


def decode_batch(body: bytes) -> list[Recorded]:
    """Return the events that `encode_batch` was given, unknown kinds among them.

    Raises:
        StoreError: The bytes are damaged.
    """
    events = [_event(values) for values in _unpack(body)]
    if None in events:
        spans = wire.split(body)
        return [_known_or_kept(event, span) for event, span in zip(events, spans, strict=True)]
    return events  # pyright: ignore[reportReturnType]  # no None among them


def schema() -> dict[str, Any]:  # Any: JSON-like
    """Return what the bytes mean: per kind its code, version and fields, and the fields of nested tuples."""
    kinds = {
        kind.cls.__name__: {
            "code": kind.code,
            "version": kind.version,
            "fields": [f"{item.name}: {item.type}" for item in fields(kind.cls)],
        }
        for kind in _KINDS
    }
    nested = {
        cls.__name__: list(cls._fields) for cls in (ArtifactRef, ErrorInfo, Usage, ev.Limits, ManifestKey)
    }
    return {"kinds": kinds, "nested": nested}


def to_plain(event: Recorded) -> dict[str, Any]:  # Any: JSON-like
    """Return the event as JSON-like values with names: `{"event": "TaskFailed", "at": ..., ...}`."""
    if isinstance(event, UnknownEvent):
        return {"event": "UnknownEvent", "kind": event.kind, "data": event.data.hex()}
    plain: dict[str, Any] = {"event": type(event).__name__}  # Any: JSON-like
    for name in _BY_CLASS[type(event)].names:
        plain[name] = _plain(getattr(event, name))
    return plain


# How a class is taken apart and put together ------------------------------------------------------------------


class _Shape(NamedTuple):
    prefix: tuple[int, int]
    """Code and version."""
    size: int
    """Number of fields."""
    names: tuple[str, ...]
    take: Callable[[object], tuple[object, ...]]
    """All fields of an event, in order."""
    cls: type
    new: Callable[[], Any]  # Any: an event without fields
    put: tuple[Callable[[object, object], None], ...]
    """Sets a field of a new, still empty event: the slot's own setter, as a frozen class has no other."""
    converts: tuple[tuple[int, Callable[[Any], object]], ...]
    """Position and conversion of the fields whose plain value is not the value."""
    defaults: tuple[Callable[[], object] | None, ...]
    """None: the field must be there."""


def _named(cls: type[Any], size: int) -> Callable[[Sequence[object]], object]:  # Any: a NamedTuple of ours
    new: Callable[[Sequence[object]], object] = partial(tuple.__new__, cls)  # pyright: ignore[reportUnknownMemberType]

    def convert(values: Sequence[object]) -> object:
        return new(values) if len(values) >= size else cls(*values)

    return convert


def _optional(convert: Callable[[Any], object]) -> Callable[[Any], object]:
    return lambda value: None if value is None else convert(value)


def _member(cls: type[ev.RunStatus] | type[ev.StopReason]) -> Callable[[str], object]:
    members: dict[str, object] = {str(member): member for member in cls}
    return lambda value: members.get(value, value)  # a newer release's status stays plain text


def _artifacts(values: Iterable[Sequence[object]]) -> tuple[object, ...]:
    return tuple([_artifact(value) for value in values])


def _thaw(value: object) -> object:
    """Turn the tuples of a JSON-like value back into lists."""
    if isinstance(value, Mapping):
        return {key: _thaw(item) for key, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, tuple):
        return [_thaw(item) for item in cast("tuple[object, ...]", value)]
    return value


_artifact = _named(ArtifactRef, len(ArtifactRef._fields))
_manifest_key = _named(ManifestKey, len(ManifestKey._fields))
_error = _named(ErrorInfo, len(ErrorInfo._fields))

_CONVERT: dict[
    str, Callable[[Any], object] | None
] = {  # Any: a plain value of the shape the annotation asks for
    "float": None,
    "int": None,
    "int | None": None,
    "str": None,
    "str | None": None,
    "bool": None,
    "tuple[str, ...]": None,
    "tuple[tuple[int, int], ...]": None,
    "tuple[tuple[int, int], ...] | None": None,
    "Mapping[str, Any]": _thaw,
    "Mapping[str, str]": _thaw,
    "ManifestKey": _manifest_key,
    "ManifestKey | None": _optional(_manifest_key),
    "Limits": _named(ev.Limits, len(ev.Limits._fields)),
    "Usage": _named(Usage, len(Usage._fields)),
    "ErrorInfo": _error,
    "ErrorInfo | None": _optional(_error),
    "tuple[ArtifactRef, ...]": _artifacts,
    "RunStatus": _member(ev.RunStatus),
    "StopReason": _member(ev.StopReason),
}
"""By a field's annotation. A type that is not here stops the import: a codec that guesses would lose data."""


def _default(item: Field) -> Callable[[], object] | None:
    if item.default is not MISSING:
        value: object = item.default
        return lambda: value
    return None if item.default_factory is MISSING else item.default_factory


def _shape(kind: _Kind) -> _Shape:
    items = fields(kind.cls)
    names = tuple(item.name for item in items)
    converts = [(place, _CONVERT[item.type]) for place, item in enumerate(items)]
    return _Shape(
        prefix=(kind.code, kind.version),
        size=len(items),
        names=names,
        take=attrgetter(*names),
        cls=kind.cls,
        new=partial(object.__new__, kind.cls),
        put=tuple(kind.cls.__dict__[name].__set__ for name in names),
        converts=tuple((place, convert) for place, convert in converts if convert is not None),
        defaults=tuple(_default(item) for item in items),
    )


_SHAPES = {kind.code: _shape(kind) for kind in _KINDS}
_BY_CLASS = {shape.cls: shape for shape in _SHAPES.values()}


def _unpack(data: bytes) -> tuple[Any, ...]:  # Any: whatever the bytes say
    try:
        return wire.unpack(data)
    except wire.Damaged as error:
        raise _damaged(str(error)) from error


def _event(values: Any) -> ev.Event | None:  # Any: whatever the bytes say
    """Put an event together; None if its kind is not known."""
    try:
        shape = _SHAPES.get(values[0])
        if shape is None:
            if isinstance(values[0], int):
                return None
            raise ValueError("its kind is no number")
        plain = list(values[2:])
        if len(plain) < shape.size:
            _fill(shape, plain)
        for place, convert in shape.converts:
            plain[place] = convert(plain[place])
        event: ev.Event = shape.new()
        for put, value in zip(shape.put, plain, strict=False):
            put(event, value)
        return event
    except (TypeError, IndexError, KeyError, ValueError) as error:
        raise _damaged(f"event {values!r:.80}: {error}") from error


def _fill(shape: _Shape, plain: list[object]) -> None:
    for name, default in zip(shape.names[len(plain) :], shape.defaults[len(plain) :], strict=True):
        if default is None:
            raise ValueError(f"{shape.cls.__name__} has no {name}")
        plain.append(default())


def _known_or_kept(event: ev.Event | None, span: bytes) -> Recorded:
    if event is not None:
        return event
    return UnknownEvent(kind=_unpack(span)[0], data=span)


def _plain(value: Any) -> object:  # Any: a field's value or a part of it
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in cast("Mapping[object, object]", value).items()}
    if not isinstance(value, tuple | list):
        return value
    names: tuple[str, ...] | None = getattr(cast("object", value), "_fields", None)
    items = [_plain(item) for item in cast("Sequence[object]", value)]
    return items if names is None else dict(zip(names, items, strict=False))


def _damaged(what: str) -> StoreError:
    return StoreError(
        f"The event log holds bytes that are no event: {what}",
        hint="See what is damaged and what can still be read: asyncflow doctor",
    )


def _unpackable(event: Recorded, error: Exception) -> InternalError:
    return InternalError(f"{type(event).__name__} cannot be encoded: {error}")
