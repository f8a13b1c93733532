"""What is got: an object in a file, or none. Pure."""

from __future__ import annotations

from asyncflow.s3.errors import MetaflowS3InvalidRange, MetaflowS3NotFound
from asyncflow.s3.places import Root, Wanted
from asyncflow.s3.values import RangeInfo, S3Object
from asyncflow.store.objects import ObjectInfo

__all__ = ["fetched", "known", "listed", "missing"]


def listed(root: Root, place: Wanted, info: ObjectInfo) -> S3Object:
    """Return an object that was found in a list, or what objects have in front of a slash."""
    key, url = root.key_of(place.bucket, info.key)
    size = None if info.is_prefix else info.size_bytes
    return S3Object(url=url, key=key, prefix=place.url, size=size, exists=not info.is_prefix)


def known(asked: Wanted, root: Root, info: ObjectInfo) -> S3Object:
    """Return an object of which everything is known but its content."""
    return S3Object(url=asked.url, key=asked.key, prefix=root.url, size=info.size_bytes, info=info)


def missing(asked: Wanted, root: Root, return_missing: bool) -> S3Object:
    """Return an object that is not there. Raises MetaflowS3NotFound unless that is wanted."""
    if not return_missing:
        raise MetaflowS3NotFound(f"There is no object {asked.url}")
    return S3Object(url=asked.url, key=asked.key, prefix=root.url, exists=False)


def fetched(
    asked: Wanted, root: Root, info: ObjectInfo, path: str, offset: int, return_info: bool
) -> S3Object:
    """Return an object whose content is in a file.

    Raises:
        MetaflowS3InvalidRange: What was asked for is behind its end.
    """
    if asked.is_part and offset > 0 and offset >= info.size_bytes:
        raise MetaflowS3InvalidRange(
            f"{asked.url} has {info.size_bytes} bytes, and a part from byte {offset} on is asked for"
        )
    part = RangeInfo(info.size_bytes, offset, -1 if asked.length is None else asked.length)
    return S3Object(
        url=asked.url,
        key=asked.key,
        prefix=asked.prefix or root.url,
        path=path,
        size=info.size_bytes,
        info=info if return_info else None,
        range_info=part if asked.is_part else None,
    )
