"""What AWS says no with is understood, and told without secrets."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError

from asyncflow.backends.batch.failures import (
    BatchAccessDenied,
    BatchCredentialsError,
    BatchError,
    BatchSetupError,
    BatchUnreachable,
    problem_of,
    told,
)
from asyncflow.store.s3.policy import Verdict


def answer(status: int, code: str, text: str = "words") -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": status}},
        "SubmitJob",
    )


@pytest.mark.parametrize(
    ("error", "verdict", "kind"),
    [
        (answer(429, "TooManyRequestsException"), Verdict.SLOW_DOWN, BatchUnreachable),
        (answer(400, "ThrottlingException"), Verdict.SLOW_DOWN, BatchUnreachable),
        (answer(500, "ServerException"), Verdict.AGAIN, BatchUnreachable),
        (answer(503, "ServiceUnavailable"), Verdict.AGAIN, BatchUnreachable),
        (EndpointConnectionError(endpoint_url="https://batch"), Verdict.AGAIN, BatchUnreachable),
        (TimeoutError("late"), Verdict.AGAIN, BatchUnreachable),
        (answer(400, "ClientException"), Verdict.FINAL, BatchError),
        (answer(403, "AccessDeniedException"), Verdict.FINAL, BatchAccessDenied),
        (answer(403, "ExpiredTokenException"), Verdict.FINAL, BatchCredentialsError),
        (answer(403, "UnrecognizedClientException"), Verdict.FINAL, BatchCredentialsError),
        (NoCredentialsError(), Verdict.FINAL, BatchCredentialsError),
        (NoRegionError(), Verdict.FINAL, BatchSetupError),
    ],
)
def test_each_problem_has_its_verdict_and_its_words(
    error: Exception, verdict: Verdict, kind: type[Exception]
) -> None:
    problem = problem_of(error)
    found = told(problem, "Jobs cannot be submitted", "AWS Batch in eu-west-1")

    assert problem.verdict is verdict
    assert type(found) is kind
    assert found.message.startswith("Jobs cannot be submitted: ")
    assert found.hint or kind is BatchError


def test_what_was_signed_is_not_told() -> None:
    error = answer(403, "SignatureDoesNotMatch", "The canonical string was: x-amz-security-token:hidden123")

    found = told(problem_of(error), "Jobs cannot be submitted", "AWS")

    assert "hidden123" not in str(found)


def test_only_what_is_about_a_request_refuses_its_jobs() -> None:
    about = {
        code: problem_of(answer(400, code)).is_about_request
        for code in ("ClientException", "ThrottlingException", "ExpiredToken", "AccessDeniedException")
    }

    assert about == {
        "ClientException": True,
        "ThrottlingException": False,
        "ExpiredToken": False,
        "AccessDeniedException": False,
    }
