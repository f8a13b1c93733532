"""What a remote store asks of a bucket: a few operations on whole objects, which every S3-compatible server has."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import NamedTuple, Protocol

__all__ = ["NO_METADATA", "ObjectInfo", "Objects", "Received"]

NO_METADATA: Mapping[str, str] = {}
"""For objects that have none of their own."""


class ObjectInfo(NamedTuple):
    """What a server tells of an object."""

    key: str
    """Below the store's prefix."""
    size_bytes: int
    etag: str
    modified_at: float
    """By the server's clock, seconds since the epoch, in whole seconds."""
    server_at: float = 0.0
    """The server's own time when it answered; 0.0: it did not tell."""
    content_type: str = ""
    metadata: Mapping[str, str] = NO_METADATA
    encryption: str = ""
    """How the server keeps it encrypted, as it calls that; empty: not, or it does not tell."""
    is_prefix: bool = False
    """In a list of one level: no object, but what objects have in front of a `/`."""

    @property
    def age_s(self) -> float:
        """How long ago it was written, all by the server's clock."""
        return max(0.0, self.server_at - self.modified_at)


class Received(NamedTuple):
    """An object's bytes, or a part of them."""

    data: bytes
    info: ObjectInfo
    """`size_bytes` is that of the whole object."""


class Objects(Protocol):
    """The objects of a bucket below a prefix.

    Every method tries again what may pass (lost connections, 5xx, SlowDown), with growing random pauses, and raises
    StoreError, told in words, for what does not. Safe to cancel; what was being written may be there or not.
    """

    @property
    def url(self) -> str:
        """`s3://bucket/prefix`, without a slash at the end."""
        ...

    async def get(self, key: str, *, offset: int = 0, length: int | None = None) -> Received | None:
        """Return an object, or `length` bytes of it from `offset` on; None if there is no such object.

        A range that goes beyond the end is cut short; one that begins there or later has no bytes.
        """
        ...

    async def head(self, key: str) -> ObjectInfo | None:
        """Return what is known of an object; None if there is none."""
        ...

    async def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> None:
        """Write an object, instead of one that is there."""
        ...

    async def put_new(self, key: str, data: bytes) -> bool:
        """Write an object if there is none; say whether it was written. Of any number of writers one is told so.

        A repeat whose first answer was lost is told the truth if `data` is unlike everybody else's.
        """
        ...

    async def put_file(self, key: str, path: str, *, only_new: bool = False) -> bool:
        """Write an object from a file, a large one in parts side by side; False: `only_new`, and it was there.

        Raises OSError if the file cannot be read.
        """
        ...

    async def get_file(self, key: str, path: str) -> ObjectInfo | None:
        """Write an object's bytes into a file, a large one in ranges side by side; None: there is no such object.

        The file is made or cut off. Raises OSError if it cannot be written.
        """
        ...

    def list(
        self, prefix: str = "", *, after: str = "", one_level: bool = False, page: int = 1000
    ) -> AsyncGenerator[ObjectInfo]:
        """Yield the objects whose key begins with `prefix`, in order of their keys, from behind `after` on.

        Args:
            prefix: As text: `a/b` finds `a/bc`.
            after: A key.
            one_level: Keys that have a `/` behind the prefix are shown as one, up to that.
            page: How many one request asks for, 1,000 at most.
        """
        ...

    async def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are no error."""
        ...

    async def check(self) -> None:
        """See that the bucket is there and may be read, with one request. Raises StoreError."""
        ...

    async def aclose(self) -> None:
        """Close the connections. Safe to call twice."""
        ...
