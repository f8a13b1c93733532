"""Keys of a store in a bucket: what is listed comes in the order in which it is wanted."""

from __future__ import annotations

import pytest

from asyncflow.store.s3 import keys
from asyncflow.store.s3.keys import LogKey


def test_heads_of_newer_runs_come_first() -> None:
    runs = [1, 2, 9, 10, 99, 100, 123_456]

    ordered = sorted(keys.head_key(run) for run in runs)

    assert [keys.run_of_head(key) for key in ordered] == runs[::-1]


def test_pieces_and_leases_come_in_their_order() -> None:
    numbers = [0, 1, 9, 10, 99, 1000]

    assert sorted(keys.piece_key(3, number) for number in numbers) == [
        keys.piece_key(3, one) for one in numbers
    ]
    assert [keys.number_of(keys.piece_key(3, number)) for number in numbers] == numbers
    assert keys.number_of(keys.lease_key(3, 12)) == 12
    assert keys.piece_key(3, 5).startswith(keys.stream_prefix(3))
    assert keys.lease_key(3, 5).startswith(keys.lease_prefix(3))


def test_output_of_all_attempts_comes_in_the_order_of_time() -> None:
    pieces = [
        LogKey(1_700_000_000_000 + at, task, 0, piece)
        for at, task, piece in ((0, 7, 0), (5, 2, 0), (9, 7, 1))
    ]

    listed = sorted(keys.log_key(3, piece) for piece in pieces)

    assert [keys.parse_log_key(key) for key in listed] == pieces
    assert all(key.startswith(keys.logs_prefix(3)) for key in listed)
    after = keys.logs_after(3, pieces[1].at_ms)
    assert [key > after for key in listed] == [False, True, True]


@pytest.mark.parametrize(
    "key", ["", "runs/1/logs/", "runs/1/logs/x-1.2.3", "runs/1/logs/1-1.2", "runs/1/logs/1-1.2.3.4"]
)
def test_other_keys_are_no_output(key: str) -> None:
    assert keys.parse_log_key(key) is None


def test_what_is_no_number_is_none() -> None:
    assert keys.number_of("heads/abc") is None
    assert keys.number_of("heads/") is None
    assert keys.number_of("heads/٣") is None
    assert keys.run_of_head("heads/abc") is None


def test_a_runs_keys_are_its_own() -> None:
    assert not keys.piece_key(12, 0).startswith(keys.run_prefix(1))
    for key in (
        keys.claim_key(1, 2, 3),
        keys.result_key(1, 2, 3),
        keys.spec_key(1, "name"),
        keys.request_key(1, 5, "ab"),
    ):
        assert key.startswith(keys.run_prefix(1))
    assert keys.request_key(1, 5, "ab").startswith(keys.requests_prefix(1))
    assert keys.blob_key("ab" + "c" * 38) == f"blobs/ab/{'c' * 38}"
