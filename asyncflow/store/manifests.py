"""The bytes of a manifest: `AFM1`, a checksum, then its fields as one msgpack array.

Fields beyond those a reader knows are of a newer version and skipped, in every array of it; fields a writer did not
know have their defaults.
"""

from __future__ import annotations

import zlib
from typing import Any

import msgpack

from asyncflow.store.manifest import ArtifactRecord, CardRecord, ErrorRecord, FrameRecord, Items, Manifest

__all__ = ["MAGIC", "decode_manifest", "encode_manifest"]

MAGIC = b"AFM1"
"""What every manifest begins with."""
_FIELDS = len(Manifest._fields)
_RECORD_FIELDS = len(ArtifactRecord._fields)
_CARD_FIELDS = len(CardRecord._fields)

_Data = list[Any]  # Any: what msgpack gives
_pack: Any = (
    msgpack.Packer().pack
)  # Any: msgpack has no types; one packer, as making one takes 256 KiB each time
_unpack: Any = msgpack.unpackb


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the manifest as the bytes that lie in a pack."""
    body: bytes = _pack(manifest)
    return MAGIC + zlib.crc32(body).to_bytes(4, "little") + body


def decode_manifest(data: bytes) -> Manifest:
    """Rebuild a manifest from its bytes. Raises ValueError saying what is wrong with them."""
    if data[:4] != MAGIC:
        raise ValueError("it does not begin as a manifest does")
    body = data[8:]
    if zlib.crc32(body).to_bytes(4, "little") != data[4:8]:
        raise ValueError("its checksum does not match")
    try:
        return _manifest(_unpack(body, strict_map_key=False))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"a field is missing or of the wrong type ({error})") from error


def _manifest(data: _Data) -> Manifest:
    plain = Manifest(*data[:_FIELDS])
    artifacts: dict[str, Any] = plain.artifacts
    for name, record in artifacts.items():
        artifacts[name] = ArtifactRecord(*record[:_RECORD_FIELDS])
    return plain._replace(
        frames=tuple(_frame(frame) for frame in plain.frames) if plain.frames else (),
        next=tuple(plain.next),
        items=_items(plain.items),
        error=_error(plain.error),
        caught=_error(plain.caught),
        reads=tuple(plain.reads),
        reused=None if plain.reused is None else tuple(plain.reused),
        cards=tuple(map(_card, plain.cards)) if plain.cards else (),
    )


def _items(data: Any) -> Items | None:  # Any: an array of msgpack, or None
    return None if data is None else Items(*data[: len(Items._fields)])


def _card(data: Any) -> CardRecord:  # Any: an array of msgpack
    return CardRecord(*data[:_CARD_FIELDS])


def _frame(data: Any) -> FrameRecord:  # Any: an array of msgpack
    split_step, variable, index, width, *more = data
    return FrameRecord(split_step, variable, index, width, _items(more[0] if more else None))


def _error(data: Any) -> ErrorRecord | None:  # Any: an array of msgpack, or None
    if data is None:
        return None
    error = ErrorRecord(*data[: len(ErrorRecord._fields)])
    return error._replace(bases=tuple(error.bases), leaves=tuple(tuple(leaf) for leaf in error.leaves))
