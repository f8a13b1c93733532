"""What a list of runs shows of a run, as JSON for readers on other machines."""

from __future__ import annotations

import json

import pytest

from asyncflow.events.head import Head, decode_head, encode_head
from asyncflow.events.lease import Lease
from asyncflow.events.rows import RunRow

ROW = RunRow(7, "F", "ada", 5.0, None, "{}", status="failed", failed_step="größe", succeeded=3)
LEASE = Lease(7, "id", "host", "boot", 12, "99", 1.0, 2.0)
HEAD = Head(ROW, LEASE, (("nightly", False), ("user:ada", True)), 4, False)


@pytest.mark.parametrize("head", [HEAD, HEAD._replace(lease=None, tags=(), is_over=True)])
def test_a_head_comes_back_as_it_was(head: Head) -> None:
    assert decode_head(encode_head(head)) == head


def test_names_of_newer_releases_are_skipped() -> None:
    said = json.loads(encode_head(HEAD))
    said["new"] = said["row"]["new"] = said["lease"]["new"] = 1
    said["tags"][0].append("new")

    assert decode_head(json.dumps(said).encode()) == HEAD


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"null", b"\xff", b'{"row": {}, "lease": null, "tags": []}']
)
def test_what_is_no_head_is_told(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_head(data)
