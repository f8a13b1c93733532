"""How a bucket is reached, as `S3(...)` is told: what the environment says, and what a program says beyond that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asyncflow.records import replace
from asyncflow.s3.errors import MetaflowS3Exception, telling
from asyncflow.settings import setting
from asyncflow.store.s3.address import S3Settings

__all__ = ["settings_of", "worker_count"]

_WORKERS = 64
_OF_CLIENTS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region_name")
"""What a session is made of that a client may be given just as well."""


def settings_of(
    encryption: str | None,
    *,
    role: str | None = None,
    session_vars: Mapping[str, Any] | None = None,  # Any: keyword arguments of boto3's Session
    client_params: Mapping[str, Any] | None = None,  # Any: keyword arguments of a client
) -> S3Settings:
    """Return how the server is reached.

    Args:
        encryption: For what is written. None: as the environment says.
        role: ARN of a role to take on.
        session_vars: Keys, `region_name` and `profile_name`.
        client_params: Whatever botocore's `create_client` takes.

    Raises:
        MetaflowS3Exception: One of `session_vars` is unknown, or the environment is wrong.
    """
    given = dict(session_vars or {})
    profile = given.pop("profile_name", None)
    unknown = [name for name in given if name not in _OF_CLIENTS]
    if unknown:
        raise MetaflowS3Exception(
            f"session_vars has {unknown[0]!r}", hint=f"Known are profile_name, {', '.join(_OF_CLIENTS)}."
        )
    with telling():
        settings = S3Settings.from_environment()
    options = {**given, **(client_params or {})}
    return replace(
        settings,
        encryption=encryption or settings.encryption,
        profile=profile or settings.profile,
        role=role or settings.role,
        client_options=options or settings.client_options,
    )


def worker_count() -> int:
    """Return how many objects are fetched or stored at once."""
    given = setting("S3_WORKER_COUNT") or ""
    return max(1, int(given)) if given.isdigit() else _WORKERS
