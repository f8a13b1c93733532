"""What is stored: values of several kinds, made bytes, or files where they are large."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from asyncflow.s3.errors import MetaflowS3InvalidObject, MetaflowS3NotFound
from asyncflow.s3.places import Root, Wanted
from asyncflow.s3.values import S3PutObject
from asyncflow.store.s3.requests import PART_BYTES

__all__ = ["Sent", "as_sent", "bytes_of"]


class Sent(NamedTuple):
    """Something to be stored, and where."""

    place: Wanted
    value: Any  # Any: a text, bytes or an open file
    path: str | None
    """A file in place of a value."""
    content_type: str | None
    encryption: str | None
    metadata: Mapping[str, str] | None


def as_sent(root: Root, given: Any, *, is_file: bool = False) -> Sent:  # Any: a pair, or an S3PutObject
    """Return what is to be stored.

    Raises:
        MetaflowS3URLException: The key is none.
        MetaflowS3InvalidObject: It is neither text, bytes nor a file.
        MetaflowS3NotFound: The file is not there.
    """
    if not isinstance(given, S3PutObject):
        key, value = given
        given = S3PutObject(key, path=value) if is_file else S3PutObject(key, value)
    place = root.place(given.key)
    path = given.path if given.value is None or is_file else None
    if path is not None:
        if not os.path.isfile(path):
            raise MetaflowS3NotFound(f"There is no file {path}, which is to be {place.url}")
    elif not isinstance(given.value, str | bytes | bytearray | memoryview) and not hasattr(
        given.value, "read"
    ):
        raise MetaflowS3InvalidObject(
            f"What is to be {place.url} is of type {type(given.value).__name__}, and not text, bytes or an open file",
            hint="Make bytes of it first, such as with pickle.dumps or json.dumps.",
        )
    return Sent(
        place,
        given.value,
        None if path is None else os.path.abspath(path),
        given.content_type,
        given.encryption,
        None if given.metadata is None else {str(name): str(value) for name, value in given.metadata.items()},
    )


def bytes_of(value: Any, new_path: Callable[[], str]) -> bytes | str:  # Any: see `Sent.value`
    """Return a value's bytes; the path of a file with them where they are many."""
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        if memoryview(value).nbytes <= PART_BYTES:
            return bytes(value)
        path = new_path()
        with open(path, "wb") as file:
            file.write(value)
        return path
    return _read(value, new_path)


def _read(source: Any, new_path: Callable[[], str]) -> bytes | str:  # Any: an open file, of bytes or of text
    data = _piece(source)
    more = _piece(source) if data else b""
    if not more:
        return data
    path = new_path()
    with open(path, "wb") as file:
        file.write(data)
        while more:
            file.write(more)
            more = _piece(source)
    return path


def _piece(source: Any) -> bytes:  # Any: as above
    data = source.read(PART_BYTES)
    if isinstance(data, str):
        return data.encode()
    if not isinstance(data, bytes | bytearray | memoryview):
        raise MetaflowS3InvalidObject(
            f"Reading {source!r:.100} gives {type(data).__name__}, and neither text nor bytes"
        )
    return bytes(data)
