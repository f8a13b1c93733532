"""The signature of a GET, held against the library's own."""

from __future__ import annotations

import datetime
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncflow.store.s3.signature import Keys, signed_get

_TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


def theirs(url: str, region: str, keys: Keys, at: float) -> dict[str, str]:
    """Return what botocore signs a request with."""
    auth = pytest.importorskip("botocore.auth")
    request = pytest.importorskip("botocore.awsrequest").AWSRequest("GET", url)
    credentials = pytest.importorskip("botocore.credentials").Credentials(*keys)
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC).replace(tzinfo=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auth, "get_current_datetime", lambda *_, **__: moment)
        auth.S3SigV4Auth(credentials, "s3", region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(
    host=st.sampled_from(["bucket.s3.eu-west-1.amazonaws.com", "127.0.0.1:9000", "s3.example.org"]),
    key=st.text(min_size=1, max_size=60).filter(lambda key: not key.startswith("/")),
    region=st.sampled_from(["us-east-1", "eu-west-1"]),
    keys=st.builds(Keys, _TEXT, _TEXT, st.none() | _TEXT),
    at=st.integers(0, 4_000_000_000),
)
def test_it_is_the_one_that_the_library_makes(host: str, key: str, region: str, keys: Keys, at: int) -> None:
    try:
        path = "/" + quote(key, safe="/~")
    except UnicodeEncodeError:
        return  # half of a surrogate pair: no server has such a key

    ours = signed_get(host, path, region, keys, float(at))

    assert {name.lower(): value for name, value in ours.items()} == theirs(
        f"https://{host}{path}", region, keys, float(at)
    )
