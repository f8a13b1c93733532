"""What AWS, or the way to it, says no with: in words, with what to do next."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from asyncflow.errors import PlatformError, UserError
from asyncflow.store.s3.policy import Verdict
from asyncflow.text import one_line

__all__ = [
    "BatchAccessDenied",
    "BatchCredentialsError",
    "BatchError",
    "BatchOptionError",
    "BatchQueueError",
    "BatchSetupError",
    "BatchUnreachable",
    "Problem",
    "problem_of",
    "told",
]


class BatchOptionError(UserError):
    """A step asks AWS Batch for something it does not have."""

    headline = "Invalid @batch"


class BatchSetupError(UserError):
    """What speaks to AWS is missing or told nothing: the library, the region."""

    headline = "AWS Batch cannot be used"


class BatchQueueError(UserError):
    """The job queue is not there, or takes no jobs."""

    headline = "The job queue cannot be used"


class BatchError(PlatformError):
    """AWS Batch refused."""

    headline = "AWS Batch refused"


class BatchCredentialsError(BatchError):
    """There are no credentials, or AWS does not take them, or no longer."""

    headline = "No valid credentials for AWS Batch"


class BatchAccessDenied(BatchError):
    """The credentials are good, and not allowed to do this."""

    headline = "Access denied by AWS Batch"


class BatchUnreachable(BatchError):
    """Nobody answers, or AWS asks for fewer requests, again and again. It may pass."""

    headline = "AWS Batch does not answer"


class Problem(NamedTuple):
    """An error of a request, as far as it is understood."""

    verdict: Verdict
    status: int
    """HTTP status, 0 where there was no answer."""
    code: str
    """AWS's code, or the name of the exception."""
    text: str
    """What it said."""

    @property
    def may_have_been_done(self) -> bool:
        """Whether the request may have been carried out all the same."""
        return self.verdict is Verdict.AGAIN

    @property
    def is_expired(self) -> bool:
        """Whether new credentials would help."""
        return self.code in _EXPIRED

    @property
    def is_about_credentials(self) -> bool:
        """Whether there are none, or AWS does not take them."""
        return self.code in (*_NO_CREDENTIALS, *_EXPIRED, *_REFUSED_KEYS)

    @property
    def is_about_request(self) -> bool:
        """Whether AWS will not do this very thing, and would do others."""
        return (
            self.verdict is Verdict.FINAL
            and self.status in (400, 404)
            and not self.is_about_credentials
            and not self.is_denied
        )

    @property
    def is_denied(self) -> bool:
        """Whether a permission is missing."""
        return self.code in _DENIED


_NO_CREDENTIALS = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "TokenRetrievalError",
    "SSOTokenLoadError",
    "UnauthorizedSSOTokenError",
    "ProfileNotFound",
)
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired")
_REFUSED_KEYS = (
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "AuthFailure",
    "InvalidAccessKeyId",
)
_ECHOES = ("InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature")
"""With these AWS sends back what was signed, session token and all."""
_DENIED = ("AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "NotAuthorized")
_SLOW_DOWN = (
    "TooManyRequestsException",
    "ThrottlingException",
    "Throttling",
    "ThrottledException",
    "RequestLimitExceeded",
    "SlowDown",
    "TooManyRequests",
    "LimitExceededException",
)
_SETUP = (
    "NoRegionError",
    "InvalidRegionError",
    "UnknownEndpointError",
    "InvalidConfigError",
    "ConfigParseError",
)
_FINAL = (
    *_NO_CREDENTIALS,
    *_SETUP,
    "ParamValidationError",
    "UnknownServiceError",
    "DataNotFoundError",
    "SSLError",
)


def problem_of(error: BaseException) -> Problem:
    """Judge what a call raised: an answer of AWS, or what went wrong on the way."""
    answer = getattr(error, "response", None)
    if not isinstance(answer, dict):
        name = type(error).__name__
        verdict = Verdict.FINAL if name in _FINAL else Verdict.AGAIN
        return Problem(verdict, 0, name, one_line(str(error), 300))
    parts = cast("dict[str, Any]", answer)  # Any: AWS's answer, as botocore reads it
    told_in: dict[str, Any] = parts.get("Error") or {}
    about: dict[str, Any] = parts.get("ResponseMetadata") or {}
    status = int(about.get("HTTPStatusCode") or 0)
    code = str(told_in.get("Code") or status)
    text = "" if code in _ECHOES else one_line(str(told_in.get("Message") or ""), 300)
    return Problem(_verdict_of(status, code), status, code, text)


def _verdict_of(status: int, code: str) -> Verdict:
    if code in _SLOW_DOWN or status == 429:
        return Verdict.SLOW_DOWN
    return Verdict.AGAIN if status >= 500 or status == 408 else Verdict.FINAL


def told(problem: Problem, what: str, server: str) -> PlatformError | UserError:
    """Return the error to raise.

    Args:
        what: What could not be done, such as `jobs could not be submitted`.
        server: Who was asked: `AWS Batch in eu-west-1`, or an endpoint's address.
    """
    said = f" ({problem.code}: {problem.text})" if problem.text else f" ({problem.code})"
    if problem.code in _SETUP:
        return BatchSetupError(
            f"{what}: {server} is not configured{said}", hint="Set AWS_REGION, or AWS_PROFILE."
        )
    if problem.code in _NO_CREDENTIALS:
        return BatchCredentialsError(
            f"{what}: there are no credentials for {server}{said}",
            hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run `aws configure`.",
        )
    if problem.code in _EXPIRED:
        return BatchCredentialsError(
            f"{what}: the credentials have expired{said}",
            hint="Get new ones (`aws sso login`, or whatever gave you these), then go on: asyncflow resume RUN",
        )
    if problem.code in _REFUSED_KEYS:
        return BatchCredentialsError(
            f"{what}: {server} does not take the credentials{said}",
            hint="Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_PROFILE: they are unknown there, or mistyped.",
        )
    if problem.code in _DENIED:
        return BatchAccessDenied(
            f"{what}: the credentials are valid, but not allowed to do this{said}",
            hint="See what is missing: asyncflow doctor --backend batch",
        )
    if problem.verdict is not Verdict.FINAL:
        return BatchUnreachable(
            f"{what}: {server} did not answer as it should, again and again{said}",
            hint="Check the network and https://health.aws.amazon.com; then go on: asyncflow resume RUN",
        )
    return BatchError(f"{what}: {server} refused{said}")
