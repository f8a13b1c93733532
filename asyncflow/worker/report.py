"""A worker's word on how its attempt ended, as bytes for the pipe to its backend, and as its manifest tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack

from asyncflow.errors import InternalError
from asyncflow.machine.ids import Attempt, ManifestKey
from asyncflow.machine.outcome import ArtifactRef, ErrorInfo, Failed, Outcome, Succeeded, Usage
from asyncflow.store.manifest import ArtifactRecord, Manifest
from asyncflow.worker.problems import info_from

__all__ = ["artifact_refs", "decode", "encode", "outcome_of"]

_VERSION = 1
_pack: Callable[[object], bytes] = msgpack.Packer().pack  # one, as making one maps 256 KiB each time


def encode(attempt: Attempt, outcome: Outcome) -> bytes:
    """Return the report as bytes for `decode`."""
    common = [_VERSION, *attempt, outcome.usage, outcome.artifacts]
    if isinstance(outcome, Succeeded):
        body: list[Any] = [*common, True, outcome.width, outcome.chosen, outcome.caught]
    else:
        body = [*common, False, outcome.error]
    return _pack(body)


def decode(data: bytes) -> tuple[Attempt, Outcome]:
    """Read a report. Raises InternalError if it is cut off or of another version."""
    try:
        version, task, number, usage, artifacts, is_ok, *rest = msgpack.unpackb(data)
        if version != _VERSION:
            raise ValueError(f"version {version}")
        attempt = Attempt(task, number)
        refs = tuple(ArtifactRef(*ref) for ref in artifacts)
        if is_ok:
            width, chosen, caught = rest
            return attempt, Succeeded(
                width=width,
                chosen=chosen,
                caught=None if caught is None else _error(caught),
                artifacts=refs,
                usage=Usage(*usage),
            )
        return attempt, Failed(error=_error(rest[0]), artifacts=refs, usage=Usage(*usage))
    except (ValueError, TypeError, IndexError, msgpack.UnpackException) as error:
        raise InternalError(f"A worker's report of {len(data)} bytes cannot be read: {error}") from error


def outcome_of(manifest: Manifest) -> Outcome:
    """Say how an attempt ended from what it left in the store, for a driver that never heard its report."""
    usage = Usage(manifest.started_at, manifest.ended_at, manifest.cpu_s, manifest.max_rss_bytes)
    refs = artifact_refs(manifest.artifacts)
    if not manifest.is_ok:
        error = ErrorInfo("unknown", "") if manifest.error is None else info_from(manifest.error)
        return Failed(error=error, artifacts=refs, usage=usage)
    return Succeeded(
        width=manifest.width,
        chosen=manifest.chosen,
        caught=None if manifest.caught is None else info_from(manifest.caught),
        artifacts=refs,
        usage=usage,
        reused=None if manifest.reused is None else ManifestKey(*manifest.reused),
    )


def artifact_refs(artifacts: dict[str, ArtifactRecord]) -> tuple[ArtifactRef, ...]:
    """Return the artifacts an attempt made anew."""
    refs: list[ArtifactRef] = []
    for name, record in artifacts.items():
        if record.is_new:
            refs.append(ArtifactRef(name, record.digest, record.size_bytes, record.type))
    return tuple(refs)


def _error(fields: list[Any]) -> ErrorInfo:  # Any: as msgpack gives them
    kind, message, trace, bases, is_retryable, leaves = fields
    return ErrorInfo(kind, message, trace, tuple(bases), is_retryable, tuple(tuple(leaf) for leaf in leaves))
