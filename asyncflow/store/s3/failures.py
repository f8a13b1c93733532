"""What a bucket's server, or the way to it, says no with: in words, with what to do next."""

from __future__ import annotations

import errno
from typing import Any, NamedTuple, cast

from asyncflow.errors import StoreError
from asyncflow.store.s3.policy import Verdict, verdict_of

__all__ = [
    "AccessDenied",
    "BucketMissing",
    "CredentialsError",
    "Problem",
    "RemoteStoreError",
    "ServerUnreachable",
    "SlowedDown",
    "WrongRegion",
    "problem_of",
    "refusal_of",
    "told",
]


class RemoteStoreError(StoreError):
    """The bucket refused, or could not be asked."""

    headline = "The remote store refused"


class CredentialsError(RemoteStoreError):
    """There are no credentials, or the server does not take them."""

    headline = "No valid credentials for S3"


class AccessDenied(RemoteStoreError):
    """The credentials are good, and not allowed to do this."""

    headline = "Access denied by S3"


class BucketMissing(RemoteStoreError):
    """There is no such bucket."""

    headline = "The bucket does not exist"


class WrongRegion(RemoteStoreError):
    """The bucket is in another region."""

    headline = "The bucket is in another region"


class ServerUnreachable(RemoteStoreError):
    """Nobody answers, or not as an S3 server does."""

    headline = "The S3 server cannot be reached"


class SlowedDown(RemoteStoreError):
    """The server asked for fewer requests, again and again."""

    headline = "The S3 server is overloaded"


class Problem(NamedTuple):
    """An error of a request, as far as it is understood."""

    verdict: Verdict
    status: int
    """HTTP status, 0 where there was no answer."""
    code: str
    """The server's code, or the name of the exception."""
    text: str
    """What it said."""
    region: str = ""
    """Where the server says the bucket is."""


_NOT_THERE = ("NoSuchKey", "404", "NotFound")
_NO_CREDENTIALS = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "TokenRetrievalError",
    "SSOTokenLoadError",
    "UnauthorizedSSOTokenError",
    "ProfileNotFound",
)
_EXPIRED = ("ExpiredToken", "TokenRefreshRequired", "ExpiredTokenException", "RequestExpired")
_REFUSED_KEYS = (
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidToken",
    "AuthFailure",
    "InvalidClientTokenId",
)
_DENIED = ("AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "Forbidden")
_REGION = (
    "PermanentRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "301",
    "TemporaryRedirect",
    "InvalidRegionError",
    "NoRegionError",
)
_CONNECTION = (
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "HTTPClientError",
    "ReadTimeoutError",
    "ProxyConnectionError",
    "ConnectionError",
    "TimeoutError",
    "ResponseStreamingError",
    "IncompleteReadError",
    "ClientPayloadError",
    "AioReadTimeoutError",
    "ProtocolError",
)


def problem_of(error: BaseException) -> Problem:
    """Understand an exception of botocore, aiohttp or the socket."""
    response: Any = getattr(error, "response", None)  # Any: botocore's answer, a nested dict
    if type(response) is dict:
        return refusal_of(cast("dict[str, Any]", response))
    name = type(error).__name__
    if name in ("SSLError", "ClientConnectorCertificateError", "ClientSSLError"):
        return Problem(Verdict.FINAL, 0, "SSLError", str(error))
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        return Problem(Verdict.FINAL, 0, name, str(error))
    known = next((base.__name__ for base in type(error).__mro__ if base.__name__ in _CONNECTION), None)
    if known is not None or isinstance(error, OSError | TimeoutError):
        return Problem(Verdict.AGAIN, 0, known or name, str(error) or name)
    return Problem(Verdict.FINAL, 0, name, str(error))


def refusal_of(response: dict[str, Any]) -> Problem:  # Any: botocore's answer
    """Understand what a server says no with."""
    error: dict[str, Any] = response.get("Error") or {}
    metadata: dict[str, Any] = response.get("ResponseMetadata") or {}
    status = int(metadata.get("HTTPStatusCode") or 0)
    code = str(error.get("Code") or status)
    headers: dict[str, Any] = metadata.get("HTTPHeaders") or {}
    region = str(error.get("Region") or headers.get("x-amz-bucket-region") or "")
    return Problem(verdict_of(status, code), status, code, str(error.get("Message") or ""), region)


def told(problem: Problem, url: str, what: str, *, server: str = "AWS") -> RemoteStoreError:
    """Return the error that tells a problem.

    Args:
        problem: What happened.
        url: `s3://bucket/prefix` or a key's whole address.
        what: What was tried, such as "read", "write".
        server: The endpoint that was asked.
    """
    bucket = url.partition("://")[2].partition("/")[0]
    head = f"{url} could not be {what}"
    for codes, tell in _TELLERS:
        if problem.code in codes:
            return tell(problem, head, bucket, server)
    if problem.verdict is Verdict.SLOW_DOWN:
        return SlowedDown(
            f"{head}: {server} asked for fewer requests ({problem.code}) again and again",
            hint="Wait a little and try again; spread runs over several prefixes if it happens often.",
        )
    return RemoteStoreError(
        f"{head}: {server} answered {problem.code}{f' ({problem.text[:300]})' if problem.text else ''}",
        hint="Check the address and the server's own log.",
    )


def _no_credentials(problem: Problem, head: str, bucket: str, server: str) -> RemoteStoreError:
    return CredentialsError(
        f"{head}: there are no credentials for {server} ({problem.text[:200]})",
        hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run `aws configure`.",
    )


def _expired(problem: Problem, head: str, bucket: str, server: str) -> RemoteStoreError:
    return CredentialsError(
        f"{head}: the credentials have expired ({problem.code})",
        hint="Get new ones (`aws sso login`, or whatever gave you these), then go on: asyncflow resume RUN",
    )


def _refused_keys(problem: Problem, head: str, bucket: str, server: str) -> RemoteStoreError:
    return CredentialsError(
        f"{head}: {server} does not take the credentials ({problem.code})",
        hint="Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_PROFILE: they are unknown there, or mistyped.",
    )


def _denied(problem: Problem, head: str, bucket: str, server: str) -> RemoteStoreError:
    return AccessDenied(
        f"{head}: the credentials are valid, but not allowed to do this ({problem.code})",
        hint=f"They need s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket on {bucket}.",
    )


def _no_bucket(problem: Problem, head: str, bucket: str, server: str) -> RemoteStoreError:
    return BucketMissing(
        f"{head}: there is no bucket '{bucket}' at {server}",
        hint=f"Make it (`aws s3 mb s3://{bucket}`), or check its name and the endpoint.",
    )


def _region(problem: Problem, head: str, bucket: str, server: str) -> RemoteStoreError:
    there = (
        f"it is in {problem.region}"
        if problem.region
        else "it is in another region than the one that was asked"
    )
    return WrongRegion(
        f"{head}: bucket '{bucket}' is elsewhere, {there} ({problem.code})",
        hint=f"Set AWS_REGION={problem.region}."
        if problem.region
        else f"Set AWS_REGION to where it is; or check the address of {server}: it may want https.",
    )


def _unreachable(problem: Problem, head: str, bucket: str, server: str) -> RemoteStoreError:
    return ServerUnreachable(
        f"{head}: {server} cannot be reached ({problem.text[:200] or problem.code})",
        hint="Check the network and the endpoint (ASYNCFLOW_S3_ENDPOINT_URL or AWS_ENDPOINT_URL).",
    )


def _certificate(problem: Problem, head: str, bucket: str, server: str) -> RemoteStoreError:
    return ServerUnreachable(
        f"{head}: the certificate of {server} is not trusted ({problem.text[:200]})",
        hint="Name the file with its certificate authority: AWS_CA_BUNDLE=/path/ca.pem",
    )


_TELLERS = (
    (_NO_CREDENTIALS, _no_credentials),
    (_EXPIRED, _expired),
    (_REFUSED_KEYS, _refused_keys),
    (_DENIED, _denied),
    (("NoSuchBucket", *_NOT_THERE), _no_bucket),
    (_REGION, _region),
    (_CONNECTION, _unreachable),
    (("SSLError",), _certificate),
)
