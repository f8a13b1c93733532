"""What is learnt from a GET of the library: where the bucket is, and when nothing may be learnt."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from asyncflow.store.s3.direct import Lesson, Pattern


def taught(
    url: str,
    key: str = "runs/a%20b",
    *,
    version: object = "s3v4",
    signing: Mapping[str, Any] | None = None,
    region: str = "us-east-1",
) -> Pattern | None:
    lesson = Lesson(key)
    lesson.see(SimpleNamespace(url=url, context={"signing": signing or {}}), region, version)
    return lesson.pattern


@pytest.mark.parametrize(
    ("url", "pattern"),
    [
        (
            "https://bucket.s3.eu-west-1.amazonaws.com/runs/a%20b",
            Pattern(
                "https://bucket.s3.eu-west-1.amazonaws.com",
                "bucket.s3.eu-west-1.amazonaws.com",
                "/",
                "us-east-1",
            ),
        ),
        (
            "http://127.0.0.1:9000/bucket/runs/a%20b",
            Pattern("http://127.0.0.1:9000", "127.0.0.1:9000", "/bucket/", "us-east-1"),
        ),
        (
            "https://store:443/deep/bucket/runs/a%20b",
            Pattern("https://store:443", "store", "/deep/bucket/", "us-east-1"),
        ),
    ],
    ids=["host", "path", "the scheme's own port"],
)
def test_where_a_bucket_is(url: str, pattern: Pattern) -> None:
    assert taught(url) == pattern


def test_a_region_that_the_endpoint_has_of_its_own_is_signed_for() -> None:
    pattern = taught("https://store/bucket/runs/a%20b", signing={"region": "eu-west-3"})

    assert pattern is not None
    assert pattern.region == "eu-west-3"


@pytest.mark.parametrize(
    "unlike",
    [
        {"version": "v4-s3express"},
        {"version": object()},
        {"signing": {"signing_name": "s3-outposts"}},
        {"signing": {"request_credentials": object()}},
        {"signing": {"identity_cache": object()}},
        {"url": "https://store/bucket/runs/a%20b?versionId=1"},
        {"url": "https://store/bucket/runs/other"},
    ],
    ids=["express", "unsigned", "outposts", "own keys", "session", "version", "other key"],
)
def test_what_is_made_otherwise_teaches_nothing(unlike: dict[str, Any]) -> None:
    assert taught(**{"url": "https://store/bucket/runs/a%20b", **unlike}) is None
