"""The binary form in which newer kubectl sends a few kinds, read into JSON.

kubectl writes what `create namespace`, `create secret`, `create configmap`, `auth can-i` and deletions ask for in
protobuf. The numbers of the fields are those of Kubernetes' published `generated.proto` files; only what these
commands send is listed. Answers are JSON, which every client takes.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tests.services.kube.objects import ApiError, Object

CONTENT_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\0"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_Read = Callable[[Any], Any]  # Any: what a wire type holds, what JSON holds


class _Field(NamedTuple):
    name: str
    read: _Read
    how: str = ""
    """Empty: one value; `map`: an entry of a mapping."""


_Message = Mapping[int, _Field]


def _text(value: bytes) -> str:
    return value.decode()


def _flag(value: int) -> bool:
    return bool(value)


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _message(fields: _Message) -> _Read:
    return lambda value: _decode(value, fields)


_META: _Message = {
    1: _Field("name", _text),
    2: _Field("generateName", _text),
    3: _Field("namespace", _text),
    11: _Field("labels", _text, "map"),
    12: _Field("annotations", _text, "map"),
}
_METADATA = _Field("metadata", _message(_META))
_ATTRIBUTES: _Message = {
    1: _Field("namespace", _text),
    2: _Field("verb", _text),
    3: _Field("group", _text),
    4: _Field("version", _text),
    5: _Field("resource", _text),
    6: _Field("subresource", _text),
    7: _Field("name", _text),
}
_KINDS: Mapping[str, _Message] = {
    "Namespace": {1: _METADATA},
    "ServiceAccount": {1: _METADATA},
    "ConfigMap": {
        1: _METADATA,
        2: _Field("data", _text, "map"),
        3: _Field("binaryData", _encoded, "map"),
        4: _Field("immutable", _flag),
    },
    "Secret": {
        1: _METADATA,
        2: _Field("data", _encoded, "map"),
        3: _Field("type", _text),
        4: _Field("stringData", _text, "map"),
        5: _Field("immutable", _flag),
    },
    "SelfSubjectAccessReview": {
        1: _METADATA,
        2: _Field("spec", _message({1: _Field("resourceAttributes", _message(_ATTRIBUTES))})),
    },
    "DeleteOptions": {
        1: _Field("gracePeriodSeconds", int),
        2: _Field("preconditions", _message({1: _Field("uid", _text), 2: _Field("resourceVersion", _text)})),
        3: _Field("orphanDependents", _flag),
        4: _Field("propagationPolicy", _text),
    },
}
_ENVELOPE: _Message = {
    1: _Field("typeMeta", _message({1: _Field("apiVersion", _text), 2: _Field("kind", _text)})),
    2: _Field("raw", bytes),
}


def read_protobuf(data: bytes) -> Object:
    """Return an object as JSON.

    Raises:
        ApiError: 415, a kind that is not read here; 400, it cannot be read.
    """
    if not data.startswith(_MAGIC):
        raise ApiError(400, "the object provided is unrecognized: no protobuf envelope")
    envelope = _decode(data[len(_MAGIC) :], _ENVELOPE)
    meta = envelope.get("typeMeta", {})
    fields = _KINDS.get(meta.get("kind", ""))
    if fields is None:
        raise ApiError(
            415, f"this server does not read protobuf of kind {meta.get('kind')}: send it as JSON (-f)"
        )
    return {**meta, **_decode(envelope.get("raw", b""), fields)}


def _decode(data: bytes, fields: _Message) -> Object:
    found: Object = {}
    for number, value in _entries(data):
        field = fields.get(number)
        if field is None or (value == b"" and field.how != "map"):
            continue
        if field.how == "map":
            entry = dict(_entries(value))
            found.setdefault(field.name, {})[_text(entry.get(1, b""))] = field.read(entry.get(2, b""))
        else:
            found[field.name] = field.read(value)
    return found


def _entries(data: bytes) -> Iterator[tuple[int, Any]]:  # Any: a number or bytes
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield number, value
        elif kind == _BYTES:
            size, place = _varint(data, place)
            yield number, data[place : place + size]
            place += size
        else:
            size = {_FIXED64: 8, _FIXED32: 4}[kind]
            place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(data):
            raise ApiError(400, "the object provided is unrecognized: it ends too soon")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, place
