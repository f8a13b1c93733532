"""What is given to S3 and got from it: objects, parts of objects, and what is known of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from asyncflow.store.objects import ObjectInfo

__all__ = ["RangeInfo", "S3GetObject", "S3Object", "S3PutObject"]


class RangeInfo(NamedTuple):
    """Which part of an object was got."""

    total_size: int
    """Of the whole object, in bytes."""
    request_offset: int = 0
    """From where, in bytes."""
    request_length: int = -1
    """How many bytes were asked for; -1: all up to the end."""


class S3GetObject(NamedTuple):
    """A part of an object, to be given in place of a key."""

    key: str
    offset: int = 0
    """From where, in bytes; below 0: so many from the end."""
    length: int | None = None
    """How many bytes; None or below 0: all up to the end."""


class S3PutObject(NamedTuple):
    """An object to be stored, with what is to be kept with it."""

    key: str
    value: Any = None  # Any: a text, bytes or an open file
    path: str | None = None
    """Of a file, in place of a value."""
    content_type: str | None = None
    encryption: str | None = None
    """`AES256` or `aws:kms`."""
    metadata: Mapping[str, str] | None = None


class S3Object:
    """An object in S3, or a prefix that objects have, and where it lies on this machine if it was fetched."""

    __slots__ = ("_exists", "_info", "_key", "_path", "_prefix", "_range", "_size", "_url")

    def __init__(
        self,
        *,
        url: str,
        key: str,
        prefix: str | None = None,
        path: str | None = None,
        size: int | None = None,
        exists: bool = True,
        info: ObjectInfo | None = None,
        range_info: RangeInfo | None = None,
    ) -> None:
        self._url = url
        self._key = key
        self._prefix = prefix
        self._path = path
        self._size = size
        self._exists = exists
        self._info = info
        self._range = range_info

    @property
    def exists(self) -> bool:
        """Whether it is an object that is there; False for prefixes, too."""
        return self._exists

    @property
    def downloaded(self) -> bool:
        """Whether its content is on this machine."""
        return self._path is not None

    @property
    def url(self) -> str:
        """`s3://bucket/key`."""
        return self._url

    @property
    def prefix(self) -> str | None:
        """The address below which it was looked for; None: it was asked for by its own."""
        return self._prefix

    @property
    def key(self) -> str:
        """Its key below the root; its whole address where there is no root."""
        return self._key

    @property
    def path(self) -> str | None:
        """The file with its content, which is there until the S3 object is closed; None: it was not fetched."""
        return self._path

    @property
    def blob(self) -> bytes | None:
        """Its content; None: it was not fetched."""
        if self._path is None:
            return None
        with open(self._path, "rb") as file:
            return file.read()

    @property
    def text(self) -> str | None:
        """Its content as text (UTF-8); None: it was not fetched. Raises UnicodeDecodeError if it is none."""
        content = self.blob
        return None if content is None else content.decode("utf-8")

    @property
    def size(self) -> int | None:
        """Its size in bytes, of a part that of the part; None: it is not there."""
        if self._path is not None:
            return os.stat(self._path).st_size
        return self._size

    @property
    def has_info(self) -> bool:
        """Whether the properties below say something."""
        return self._info is not None

    @property
    def metadata(self) -> dict[str, str] | None:
        """What whoever stored it wanted to be kept with it."""
        return None if self._info is None else dict(self._info.metadata)

    @property
    def content_type(self) -> str | None:
        """Its MIME type."""
        return None if self._info is None else self._info.content_type or None

    @property
    def encryption(self) -> str | None:
        """How the server keeps it encrypted; None also where it does not."""
        return None if self._info is None else self._info.encryption or None

    @property
    def range_info(self) -> RangeInfo | None:
        """Which part was got; None: the whole object."""
        return None if self._info is None else self._range

    @property
    def last_modified(self) -> int | None:
        """When it was stored, in seconds since the epoch."""
        return None if self._info is None else int(self._info.modified_at)

    def __str__(self) -> str:
        if not self._exists:
            return f"<S3Object {self._url} (not found)>"
        where = "local" if self.downloaded else "in S3"
        return f"<S3Object {self._url} ({self.size} bytes, {where})>"

    def __repr__(self) -> str:
        return str(self)
