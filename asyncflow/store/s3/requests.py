"""How an operation is asked of S3, and what its answer means: what the two clients share. Pure.

Bodies are protected on their way: without another checksum botocore signs the SHA-256 of every body, and the server
compares. What is read is compared with its length here, and by who reads it with its own digest or checksum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, NamedTuple

from asyncflow.records import record
from asyncflow.store.objects import NO_METADATA, ObjectInfo
from asyncflow.store.s3.address import S3Address, S3Settings
from asyncflow.version import __version__

__all__ = [
    "MOST_DELETED",
    "PARTS_AT_ONCE",
    "PART_BYTES",
    "SMALL_BYTES",
    "Arguments",
    "Part",
    "Requests",
    "client_options",
    "is_precondition",
    "parts_after",
    "parts_of",
]

PART_BYTES = 16 << 20
"""Of a large object that is sent or fetched in parts; more where there would be too many parts."""
PARTS_AT_ONCE = 4
"""So many parts of all transfers of a client are in memory and under way."""
SMALL_BYTES = 1 << 20
"""Up to here an object is sent and fetched without asking how many others are."""
MOST_DELETED = 1000
_MOST_PARTS = 10_000
_METADATA = "x-amz-meta-"

Arguments = dict[str, Any]  # Any: keyword arguments of a botocore operation


class Part(NamedTuple):
    """One part of a transfer."""

    number: int
    """From 1 on."""
    offset: int
    length: int


def parts_of(size_bytes: int) -> list[Part]:
    """Cut an object of that size into parts."""
    length = max(PART_BYTES, -(-size_bytes // _MOST_PARTS))
    offsets = range(0, size_bytes, length)
    return [Part(number, at, min(length, size_bytes - at)) for number, at in enumerate(offsets, 1)]


def parts_after(size_bytes: int, received: int) -> list[Part]:
    """Cut what is left of an object, behind the bytes that came with the first look at it."""
    left = [part for part in parts_of(size_bytes) if part.offset + part.length > received]
    return [
        Part(part.number, max(part.offset, received), part.offset + part.length - max(part.offset, received))
        for part in left
    ]


def client_options(settings: S3Settings, config: type[Any], connections: int) -> Arguments:
    """Return what `create_client("s3", ...)` is called with; `config` is botocore's Config or a subclass."""
    own = config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if settings.path_style else "auto"},
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=connections,
        tcp_keepalive=True,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent=f"asyncflow/{__version__}",  # the library's own is put together anew for every request
    )
    given = dict(settings.client_options or {})
    theirs = given.pop("config", None)
    options: Arguments = {
        "config": own if theirs is None else own.merge(theirs),
        "region_name": settings.region,
        "endpoint_url": settings.endpoint_url,
        "verify": settings.verify,
    }
    return {**{name: value for name, value in options.items() if value is not None}, **given}


@record
class Requests:
    """Makes the arguments of operations on one bucket and prefix, and reads the answers."""

    address: S3Address
    settings: S3Settings

    def of(self, key: str) -> Arguments:
        """Return what names an object."""
        return {"Bucket": self.address.bucket, "Key": self.address.full_key(key)}

    def get(self, key: str, offset: int, length: int | None) -> Arguments:
        """Ask for an object or a part of it."""
        arguments = self.of(key)
        if offset or length is not None:
            end = "" if length is None else offset + length - 1
            arguments["Range"] = f"bytes={offset}-{end}"
        return arguments

    def written(self, content_type: str | None, metadata: Mapping[str, str]) -> Arguments:
        """Return how an object is kept."""
        arguments: Arguments = {}
        if content_type:
            arguments["ContentType"] = content_type
        if metadata:
            arguments["Metadata"] = dict(metadata)
        if self.settings.encryption:
            arguments["ServerSideEncryption"] = self.settings.encryption
        return arguments

    def put(
        self,
        key: str,
        data: object,
        *,
        only_new: bool = False,
        content_type: str | None = None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> Arguments:
        """Write an object, or with `only_new` one that is not there."""
        arguments = {**self.of(key), **self.written(content_type, metadata), "Body": data}
        if only_new:
            arguments["IfNoneMatch"] = "*"
        return arguments

    def list(self, prefix: str, after: str, *, one_level: bool, page: int) -> Arguments:
        """List objects."""
        arguments: Arguments = {
            "Bucket": self.address.bucket,
            "Prefix": self.address.full_key(prefix),
            "MaxKeys": page,
        }
        if after:
            arguments["StartAfter"] = self.address.full_key(after)
        if one_level:
            arguments["Delimiter"] = "/"
        return arguments

    def delete(self, keys: Sequence[str]) -> Arguments:
        """Remove up to `MOST_DELETED` objects."""
        objects = [{"Key": self.address.full_key(key)} for key in keys]
        return {"Bucket": self.address.bucket, "Delete": {"Objects": objects, "Quiet": True}}

    def info(self, key: str, answer: Mapping[str, Any]) -> ObjectInfo:  # Any: botocore's answer
        """Read what a GET or HEAD tells of an object."""
        whole = str(answer.get("ContentRange") or "").rpartition("/")[2]
        return ObjectInfo(
            key=key,
            size_bytes=int(whole) if whole.isdigit() else int(answer.get("ContentLength") or 0),
            etag=str(answer.get("ETag") or "").strip('"'),
            modified_at=answer["LastModified"].timestamp() if "LastModified" in answer else 0.0,
            server_at=_server_time(answer),
            content_type=str(answer.get("ContentType") or ""),
            metadata=answer.get("Metadata") or NO_METADATA,
            encryption=str(answer.get("ServerSideEncryption") or ""),
        )

    def info_of(self, key: str, headers: Mapping[str, str]) -> ObjectInfo:
        """Read what the headers of a GET, which are found whatever their case, tell of an object."""
        whole = headers.get("content-range", "").rpartition("/")[2]
        return ObjectInfo(
            key=key,
            size_bytes=int(whole) if whole.isdigit() else int(headers.get("content-length") or 0),
            etag=headers.get("etag", "").strip('"'),
            modified_at=_seconds(headers.get("last-modified")),
            server_at=_seconds(headers.get("date")),
            content_type=headers.get("content-type", ""),
            metadata={
                name[len(_METADATA) :].lower(): value
                for name, value in headers.items()
                if name[: len(_METADATA)].lower() == _METADATA
            },
            encryption=headers.get("x-amz-server-side-encryption", ""),
        )

    def listed(self, answer: Mapping[str, Any]) -> list[ObjectInfo]:  # Any: botocore's answer
        """Read a page of a list, in order of keys."""
        at = _server_time(answer)
        skip = len(self.address.prefix) + 1 if self.address.prefix else 0
        found = [
            ObjectInfo(
                item["Key"][skip:],
                int(item["Size"]),
                str(item.get("ETag") or "").strip('"'),
                item["LastModified"].timestamp(),
                at,
            )
            for item in answer.get("Contents") or ()
        ]
        found += [
            ObjectInfo(item["Prefix"][skip:], 0, "", 0.0, at, is_prefix=True)
            for item in answer.get("CommonPrefixes") or ()
        ]
        return sorted(found, key=lambda info: info.key.encode())


def is_precondition(status: int, code: str) -> bool:
    """Say whether an answer means that the object is there already."""
    return status == 412 or code == "PreconditionFailed"


def _server_time(answer: Mapping[str, Any]) -> float:  # Any: botocore's answer
    return _seconds(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date"))


@lru_cache(maxsize=64)
def _seconds(date: str | None) -> float:
    """Return a header's date as seconds since the epoch; 0.0 if it is none."""
    try:
        return parsedate_to_datetime(date).timestamp() if date else 0.0
    except (TypeError, ValueError):
        return 0.0
