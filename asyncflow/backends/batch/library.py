"""What is used of aiobotocore, which has no types and is installed only by who needs AWS."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from asyncflow.backends.batch.failures import BatchSetupError

__all__ = ["call_errors", "new_session", "opening_client"]

_CONNECTIONS = 16


def new_session() -> Any:  # Any: aiobotocore's session
    """Return a session; it reads configuration and credentials where AWS's own tools do. Raises BatchSetupError."""
    return _library("aiobotocore.session").get_session()


def opening_client(session: Any, service: str) -> Any:  # Any: as above; a context manager of a client
    """Return what makes a client when it is entered: our own retries, not botocore's."""
    config = _library("aiobotocore.config").AioConfig(
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=_CONNECTIONS,
        tcp_keepalive=True,
    )
    return session.create_client(service, config=config)


def call_errors() -> tuple[type[Exception], ...]:
    """Return what a client's calls raise: refusals, and what goes wrong on the way."""
    exceptions = _library("botocore.exceptions")
    return (
        exceptions.ClientError,
        exceptions.BotoCoreError,
        _library("botocore.parsers").ResponseParserError,
        _library("aiohttp").ClientError,
        OSError,
        TimeoutError,
    )


def _library(name: str) -> Any:  # Any: a module without types
    try:
        return import_module(name)
    except ImportError as error:
        raise BatchSetupError(
            f"AWS Batch needs {name.partition('.')[0]}, which is not installed ({error})",
            hint="Install it: pip install 'asyncflow-run[aws]'",
        ) from error
