"""The bytes of a manifest: `AFM1`, a checksum, then one msgpack map. Keys a reader does not know are skipped.

A field that has its default is left out, so a small task's manifest is a few hundred bytes. There is no rule about
versions but one: a field is added with a default, and never renamed, retyped or removed.
"""

from __future__ import annotations

import zlib
from dataclasses import MISSING, fields
from typing import Any

import msgpack

from asyncflow.store.manifest import ArtifactRecord, ErrorRecord, FrameRecord, Items, Manifest

__all__ = ["decode_manifest", "encode_manifest"]

_MAGIC = b"AFM1"
_PLAIN_TYPES = ("str", "int", "float", "bool", "bytes", "int | None", "str | None", "bytes | None")


def _plain_fields(kind: type) -> tuple[tuple[str, object], ...]:
    """Return the fields msgpack stores as they are, with their defaults (MISSING: always written)."""
    return tuple((f.name, f.default) for f in fields(kind) if f.type in _PLAIN_TYPES)


_MANIFEST = _plain_fields(Manifest)
_RECORD = _plain_fields(ArtifactRecord)
_FRAME = _plain_fields(FrameRecord)
_ERROR = _plain_fields(ErrorRecord)
_ITEMS = _plain_fields(Items)

_Data = dict[str, Any]  # Any: JSON-like, and bytes


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the manifest as the bytes of its file."""
    data = _pack(manifest, _MANIFEST)
    data["artifacts"] = {name: _pack(record, _RECORD) for name, record in manifest.artifacts.items()}
    if manifest.frames:
        data["frames"] = [_pack_frame(frame) for frame in manifest.frames]
    if manifest.next:
        data["next"] = list(manifest.next)
    if manifest.items is not None:
        data["items"] = _pack(manifest.items, _ITEMS)
    if manifest.error is not None:
        data["error"] = _pack_error(manifest.error)
    if manifest.caught is not None:
        data["caught"] = _pack_error(manifest.caught)
    body: bytes = msgpack.packb(data)
    return _MAGIC + zlib.crc32(body).to_bytes(4, "little") + body


def decode_manifest(data: bytes) -> Manifest:
    """Rebuild a manifest from its file's bytes. Raises ValueError saying what is wrong with them."""
    if data[:4] != _MAGIC:
        raise ValueError("it does not begin as a manifest does")
    body = memoryview(data)[8:]
    if zlib.crc32(body).to_bytes(4, "little") != data[4:8]:
        raise ValueError("its checksum does not match")
    try:
        return _manifest(msgpack.unpackb(body, strict_map_key=False))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a field is missing or of the wrong type ({error})") from error


def _pack(value: object, plain: tuple[tuple[str, object], ...]) -> _Data:
    data: _Data = {}
    for name, default in plain:
        field = getattr(value, name)
        if default is MISSING or field != default:
            data[name] = field
    return data


def _pack_frame(frame: FrameRecord) -> _Data:
    data = _pack(frame, _FRAME)
    if frame.items is not None:
        data["items"] = _pack(frame.items, _ITEMS)
    return data


def _pack_error(error: ErrorRecord) -> _Data:
    return {**_pack(error, _ERROR), "bases": list(error.bases)}


def _manifest(data: _Data) -> Manifest:
    known = _known(data, _MANIFEST)
    items, error, caught = data.get("items"), data.get("error"), data.get("caught")
    return Manifest(
        **known,
        artifacts={
            name: ArtifactRecord(**_known(record, _RECORD)) for name, record in data["artifacts"].items()
        },
        frames=tuple(_frame(frame) for frame in data.get("frames", ())),
        next=tuple(data.get("next", ())),
        items=None if items is None else Items(**_known(items, _ITEMS)),
        error=None if error is None else _error(error),
        caught=None if caught is None else _error(caught),
    )


def _known(data: _Data, plain: tuple[tuple[str, object], ...]) -> _Data:
    """Return the fields this version knows; the others are of a newer one."""
    return {name: data[name] for name, _ in plain if name in data}


def _frame(data: _Data) -> FrameRecord:
    items = data.get("items")
    return FrameRecord(
        **_known(data, _FRAME), items=None if items is None else Items(**_known(items, _ITEMS))
    )


def _error(data: _Data) -> ErrorRecord:
    return ErrorRecord(**_known(data, _ERROR), bases=tuple(data.get("bases", ())))
