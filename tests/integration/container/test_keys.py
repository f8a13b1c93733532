"""Where a container's bootstrap finds credentials, and that it signs as AWS's own library does."""

from __future__ import annotations

import json
import os
import threading
import urllib.error
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from asyncflow.worker.bootstrap import Unavailable, find_keys, signed_request

_TOLD = {"AccessKeyId": "AKIA1", "SecretAccessKey": "secret", "Token": "token"}


class _Metadata(BaseHTTPRequestHandler):
    """Answers as the metadata services of an instance and of a container do."""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_PUT(self) -> None:
        assert self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self._answer("session")

    def do_GET(self) -> None:
        answers = {
            "/latest/meta-data/iam/security-credentials/": ("session", "the-role"),
            "/latest/meta-data/iam/security-credentials/the-role": ("session", json.dumps(_TOLD)),
            "/v2/credentials/42": (None, json.dumps(_TOLD)),
            "/pod": ("from a file", json.dumps(_TOLD)),
        }
        wanted, text = answers[self.path]
        given = self.headers.get("X-aws-ec2-metadata-token") or self.headers.get("Authorization")
        self._answer(text if given == wanted else "", 200 if given == wanted else 401)

    def _answer(self, text: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture
def metadata() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Metadata) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment that knows nothing of AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    assert find_keys("us-east-1") == ("a", "b", "")

    monkeypatch.setenv("AWS_SESSION_TOKEN", "c")
    assert find_keys("us-east-1") == ("a", "b", "c")


def test_a_web_identity_is_changed_for_keys(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, aws: str
) -> None:
    (tmp_path / "token").write_text("web-token\n")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/worker")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", aws)

    key, secret, token = find_keys("us-east-1")

    assert key.startswith("ASIA")
    assert secret
    assert token


@pytest.mark.parametrize(
    ("profile", "key"), [("", "default-key"), ("other", "other-key"), ("third", "third-key")]
)
def test_a_profile_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, profile: str, key: str) -> None:
    (tmp_path / ".aws").mkdir()
    one = "[{0}]\naws_access_key_id = {1}-key\naws_secret_access_key = s\n"
    (tmp_path / ".aws" / "credentials").write_text(
        one.format("default", "default") + one.format("other", "other")
    )
    (tmp_path / ".aws" / "config").write_text(one.format("profile third", "third"))
    monkeypatch.setenv("AWS_PROFILE", profile)

    assert find_keys("us-east-1") == (key, "s", "")


def test_a_container_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, metadata: str) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{metadata}/v2/credentials/42")
    assert find_keys("us-east-1") == ("AKIA1", "secret", "token")

    (tmp_path / "token").write_text("from a file")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{metadata}/pod")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    assert find_keys("us-east-1") == ("AKIA1", "secret", "token")


def test_an_instance_is_asked(monkeypatch: pytest.MonkeyPatch, metadata: str) -> None:
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata)

    assert find_keys("us-east-1") == ("AKIA1", "secret", "token")


def test_who_refuses_is_told_of_and_nobody_at_all_is_final(
    monkeypatch: pytest.MonkeyPatch, metadata: str
) -> None:
    with pytest.raises(Unavailable, match="there are no AWS credentials"):
        find_keys("us-east-1")

    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{metadata}/pod")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        find_keys("us-east-1")


@pytest.mark.parametrize("token", ["", "a/session+token=="])
@pytest.mark.parametrize("key", ["code/abc", "a b/ä+ö=&?#~(x)'*!"])
@pytest.mark.parametrize(
    ("endpoint", "bucket"), [("", "plain"), ("", "with.dots"), ("http://127.0.0.1:9000", "plain")]
)
def test_requests_are_signed_as_botocore_signs_them(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, bucket: str, key: str, token: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.delenv("ASYNCFLOW_S3_ENDPOINT_URL", raising=False)
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    ours = signed_request(bucket, key, "eu-west-1", ("AKIA", "secret", token), now.timestamp())

    theirs = _Auth(now, Credentials("AKIA", "secret", token or None))
    request = AWSRequest(
        "GET", ours.full_url, headers={"X-Amz-Content-SHA256": ours.get_header("X-amz-content-sha256")}
    )
    theirs.add_auth(request)
    assert ours.get_header("Authorization") == request.headers["Authorization"]
    assert (
        _host(ours)
        == {
            ("", "plain"): "plain.s3.eu-west-1.amazonaws.com",
            ("", "with.dots"): "s3.eu-west-1.amazonaws.com",
            ("http://127.0.0.1:9000", "plain"): "127.0.0.1:9000",
        }[endpoint, bucket]
    )


def _host(request: Any) -> str:  # Any: urllib's
    host: str = request.host
    return host


class _Auth(S3SigV4Auth):
    """botocore's, at a time of its own."""

    def __init__(self, now: datetime, credentials: Credentials) -> None:
        super().__init__(credentials, "s3", "eu-west-1")
        self._now = now

    def add_auth(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._now.strftime("%Y%m%dT%H%M%SZ")
        request.context["payload_signing_enabled"] = True
        self._modify_request_before_signing(request)
        canonical = self.canonical_request(request)
        self._inject_signature_to_request(
            request, self.signature(self.string_to_sign(request, canonical), request)
        )
