"""What lies in a bucket of a run: pieces of its stream, and what attempts in containers left."""

from __future__ import annotations

import msgpack
import pytest
import zstandard

from asyncflow.store.left import Left, decode_left, encode_left
from asyncflow.store.pieces import Batch, KeptManifest, LogPart, Piece, decode_piece, encode_piece

PIECE = Piece(
    batches=(Batch(0, 3, 1.5, b"events"), Batch(3, 1, 2.5, b"more")),
    manifests=(KeptManifest(1, 0, b"manifest"),),
    logs=(LogPart(1, 0, 40, b"1.000000 o hello\n"),),
)
LEFT = Left(b"manifest", b"1.000000 o bye\n", (1000, 2000), "it broke", "killed", {"host": "pod-1"})


def resealed(data: bytes, change: object) -> bytes:
    """Return an object with another body, its checksum right."""
    import zlib

    assert isinstance(change, bytes)
    return data[:4] + zlib.crc32(change).to_bytes(4, "little") + change


@pytest.mark.parametrize("piece", [PIECE, Piece(), Piece(logs=PIECE.logs)])
def test_a_piece_comes_back_as_it_was(piece: Piece) -> None:
    assert decode_piece(encode_piece(piece)) == piece


@pytest.mark.parametrize("left", [LEFT, Left(b"")])
def test_what_was_left_comes_back_as_it_was(left: Left) -> None:
    assert decode_left(encode_left(left)) == left


def test_what_newer_releases_add_is_skipped() -> None:
    packed = msgpack.packb(
        [[[0, 1, 1.0, b"e", "new"]], [[1, 0, b"m", "new"]], [[1, 0, 0, b"l", "new"]], "new"]
    )
    data = resealed(encode_piece(PIECE), zstandard.ZstdCompressor().compress(packed))

    piece = decode_piece(data)
    left = decode_left(resealed(encode_left(LEFT), msgpack.packb([*LEFT, "new"])))

    assert piece == Piece((Batch(0, 1, 1.0, b"e"),), (KeptManifest(1, 0, b"m"),), (LogPart(1, 0, 0, b"l"),))
    assert left == LEFT


@pytest.mark.parametrize("at", [0, 5, 9, -1])
def test_a_byte_that_changed_is_noticed(at: int) -> None:
    for data, decode in ((encode_piece(PIECE), decode_piece), (encode_left(LEFT), decode_left)):
        damaged = bytearray(data)
        damaged[at] ^= 1
        with pytest.raises(ValueError, match=r"begin|checksum"):
            decode(bytes(damaged))


@pytest.mark.parametrize("length", [0, 3, 8, 20])
def test_what_is_cut_off_is_noticed(length: int) -> None:
    with pytest.raises(ValueError, match=r"begin|checksum|read"):
        decode_piece(encode_piece(PIECE)[:length])
    with pytest.raises(ValueError, match=r"begin|checksum|read"):
        decode_left(encode_left(LEFT)[:length])


@pytest.mark.parametrize("body", [5, [], [[1]], ["x", [], []], [[[1, 2]], [], []]])
def test_what_has_another_shape_is_told_as_such(body: object) -> None:
    packed = zstandard.ZstdCompressor().compress(msgpack.packb(body))

    with pytest.raises(ValueError, match=r"."):
        decode_piece(resealed(encode_piece(PIECE), packed))
