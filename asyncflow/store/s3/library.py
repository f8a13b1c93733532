"""What is used of botocore and aiobotocore, which have no types, and are installed only by who needs a bucket."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from asyncflow.errors import UserError
from asyncflow.store.s3.address import S3Settings
from asyncflow.store.s3.requests import client_options

__all__ = ["MissingLibrary", "blocking_client", "client_errors", "opening_client"]


class MissingLibrary(UserError):
    """What speaks to S3 is not installed."""

    headline = "A package is missing"


def opening_client(
    settings: S3Settings, connections: int
) -> Any:  # Any: aiobotocore's context manager of a client
    """Return what makes a client of aiobotocore when it is entered. Raises botocore's errors."""
    config = _library("aiobotocore.config").AioConfig
    return _made(_library("aiobotocore.session").get_session(), config, settings, connections)


def blocking_client(
    settings: S3Settings, connections: int
) -> Any:  # Any: made by botocore from a description
    """Make a client of botocore. Raises botocore's errors."""
    config = _library("botocore.config").Config
    return _made(_library("botocore.session").get_session(), config, settings, connections)


def client_errors() -> tuple[type[Exception], ...]:
    """Return what a client's calls raise: refusals, and what goes wrong on the way."""
    exceptions = _library("botocore.exceptions")
    way = _library("urllib3.exceptions").HTTPError
    return (exceptions.ClientError, exceptions.BotoCoreError, OSError, TimeoutError, way, *_way_errors())


def _way_errors() -> tuple[type[Exception], ...]:
    try:
        return (import_module("aiohttp").ClientError,)
    except ImportError:
        return ()  # there is botocore only


def _made(session: Any, config: Any, settings: S3Settings, connections: int) -> Any:  # Any: see above
    options = client_options(settings, config, connections)
    options.setdefault("region_name", session.get_config_variable("region") or "us-east-1")
    return session.create_client("s3", **options)


def _library(name: str) -> Any:  # Any: a module without types
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingLibrary(
            f"A bucket needs {name.partition('.')[0]}, which is not installed ({error})",
            hint="Install it: pip install 'asyncflow-run[aws]'",
        ) from error
