"""What is used of botocore and aiobotocore, which have no types, and are installed only by who needs a bucket."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Any

from asyncflow.errors import UserError
from asyncflow.store.s3.address import S3Settings
from asyncflow.store.s3.requests import Arguments, client_options

__all__ = [
    "MissingLibrary",
    "answer_error",
    "blocking_client",
    "client_errors",
    "opening_client",
    "plain_request",
]


class MissingLibrary(UserError):
    """What speaks to S3 is not installed."""

    headline = "A package is missing"


@asynccontextmanager
async def opening_client(
    settings: S3Settings, connections: int
) -> AsyncGenerator[tuple[Any, Any]]:  # Any: made by aiobotocore from a description
    """Make a client of aiobotocore, and close it: it, and its credentials. Raises botocore's errors.

    There are no credentials to be had if the client was given its own, or is to have none.
    """
    session = _library("aiobotocore.session").AioSession(profile=settings.profile)
    if settings.role:
        kinds = _library("aiobotocore.credentials")
        source = await session.get_credentials()
        _take_on(
            session,
            source,
            settings,
            kinds.AioAssumeRoleCredentialFetcher,
            kinds.AioDeferredRefreshableCredentials,
        )
    config = _library("aiobotocore.config").AioConfig
    async with session.create_client("s3", **_options(session, config, settings, connections)) as client:
        credentials = None if settings.client_options else await session.get_credentials()
        yield _asking_once(client), credentials


def blocking_client(
    settings: S3Settings, connections: int
) -> Any:  # Any: made by botocore from a description
    """Make a client of botocore. Raises botocore's errors."""
    session = _library("botocore.session").Session(profile=settings.profile)
    if settings.role:
        kinds = _library("botocore.credentials")
        source = session.get_credentials()
        _take_on(
            session, source, settings, kinds.AssumeRoleCredentialFetcher, kinds.DeferredRefreshableCredentials
        )
    config = _library("botocore.config").Config
    return _asking_once(session.create_client("s3", **_options(session, config, settings, connections)))


def plain_request(url: str, headers: Mapping[str, str]) -> Any:  # Any: botocore's
    """Return a GET as the connections of a client take it: signed, to be sent as it is."""
    request = _library("botocore.awsrequest").AWSPreparedRequest
    return request("GET", url, headers, b"", stream_output=True)


def answer_error(status: int, code: str, headers: Mapping[str, str], operation: str) -> Exception:
    """Return the error that the library raises for such an answer."""
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers}}
    error: Exception = _library("botocore.exceptions").ClientError(answer, operation)
    return error


def _asking_once(client: Any) -> Any:  # Any: a client of either library
    """Let a redirect that does not say where to be the answer.

    AWS says where a bucket is, and the libraries ask there. Of a server that does not, such as one behind a balancer
    that sends http to https, they ask by HEAD, which is redirected alike: again and again, until the stack is full.
    We ask nothing else by HEAD of a bucket.
    """
    refused = _library("botocore.exceptions").ClientError

    def refuse(**_: object) -> None:
        raise refused({"Error": {"Code": "301"}, "ResponseMetadata": {"HTTPHeaders": {}}}, "HeadBucket")

    client.meta.events.register("before-parameter-build.s3.HeadBucket", refuse)
    return client


def _take_on(
    session: Any, source: Any, settings: S3Settings, fetcher: Any, deferred: Any
) -> None:  # Any: botocore's
    """Let a session's clients have the role's credentials, renewed before they run out."""
    region = settings.region or session.get_config_variable("region") or "us-east-1"
    asking = fetcher(
        client_creator=partial(session.create_client, region_name=region, verify=settings.verify),
        source_credentials=source,
        role_arn=settings.role,
    )
    session._credentials = deferred(refresh_using=asking.fetch_credentials, method="assume-role")


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


def _options(
    session: Any, config: Any, settings: S3Settings, connections: int
) -> Arguments:  # Any: botocore's
    options = client_options(settings, config, connections)
    options.setdefault("region_name", session.get_config_variable("region") or "us-east-1")
    return options


def _library(name: str) -> Any:  # Any: a module without types
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingLibrary(
            f"A bucket needs {name.partition('.')[0]}, which is not installed ({error})",
            hint="Install it: pip install 'asyncflow-run[aws]'",
        ) from error
