"""The codec gives back what it was given, whatever release wrote it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any, get_args

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncflow.errors import InternalError, StoreError
from asyncflow.events.codec import (
    UnknownEvent,
    decode,
    decode_batch,
    decode_kept,
    encode,
    encode_batch,
    schema,
    to_plain,
)
from asyncflow.machine import events as ev
from asyncflow.machine.outcome import ErrorInfo
from tests.unit.events.stories import ERROR, ONE_OF_EACH, launched, run_created, succeeded


def raw(event: ev.Event) -> list[Any]:
    return list(msgpack.unpackb(encode(event), unicode_errors="surrogatepass"))


def packed(values: list[Any]) -> bytes:
    return bytes(msgpack.packb(values, unicode_errors="surrogatepass"))


def test_the_stories_have_one_event_of_each_kind() -> None:
    assert [type(event) for event in ONE_OF_EACH] == list(get_args(ev.Event))


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_equal_and_with_its_types(event: ev.Event) -> None:
    back = decode(encode(event))

    assert back == event
    assert repr(back) == repr(event)  # equality does not tell a tuple from a NamedTuple
    assert hash(encode(event)) == hash(encode(back))


def test_a_batch_comes_back_equal() -> None:
    assert decode_batch(encode_batch(ONE_OF_EACH)) == list(ONE_OF_EACH)
    assert decode_batch(encode_batch(())) == []


json_like = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(
    meta=st.dictionaries(st.text(), json_like, max_size=4),
    tags=st.lists(st.text(st.characters()), max_size=3),
    at=st.floats(allow_nan=False),
    cause=st.integers(0, 2**63),
)
def test_any_value_comes_back(meta: dict[str, Any], tags: list[str], at: float, cause: int) -> None:
    event = run_created(meta=meta, tags=tuple(tags), at=at, cause=cause)

    assert decode(encode(event)) == event


@given(st.text(st.characters(exclude_categories=())))
def test_text_with_lone_surrogates_comes_back(text: str) -> None:
    event = ev.AttemptFailed(at=1.0, cause=0, task=1, number=0, error=ErrorInfo("E", text, text))

    assert decode(encode(event)) == event


def test_a_kind_of_a_newer_release_is_kept_byte_for_byte() -> None:
    # a float of 4 bytes and a bin: our own encoder would write both otherwise
    data = b"\x94\xcd\x03\xe7\x01" + b"\xca\x3f\xc0\x00\x00" + b"\xc4\x02\xff\xfe"

    event = decode(data)

    assert event == UnknownEvent(kind=999, data=data)
    assert encode(event) == data


def test_unknown_kinds_in_a_batch_are_kept_and_count() -> None:
    foreign = packed([999, 1, {"x": 1.5}])
    first, last = launched(1), launched(2)
    body = b"\x93" + encode(first) + foreign + encode(last)

    events = decode_batch(body)

    assert events == [first, UnknownEvent(kind=999, data=foreign), last]
    assert encode_batch(events) == body


def test_a_kind_without_version_is_unknown() -> None:
    assert decode(packed([255])) == UnknownEvent(kind=255, data=packed([255]))


def test_fields_of_a_newer_release_are_skipped_and_survive() -> None:
    data = packed([*raw(launched(3)), "new", {"more": [1]}])

    event, rest = decode_kept(data)

    assert event == launched(3)
    assert rest == ("new", {"more": (1,)})
    assert encode(event, rest) == data


def test_a_nested_tuple_of_a_newer_release_keeps_its_fields() -> None:
    values = raw(ev.LimitsChanged(at=1.0, cause=0, limits=ev.Limits(slots=5)))
    values[-1] = [*values[-1], "new"]

    event = decode(packed(values))

    assert isinstance(event, ev.LimitsChanged)
    assert event.limits.slots == 5
    assert raw(event) == values


def test_missing_fields_get_their_defaults() -> None:
    values = raw(succeeded(3))[:6]

    assert decode(packed(values)) == ev.AttemptSucceeded(at=succeeded(3).at, cause=2, task=3, number=0)


def test_a_default_is_not_shared() -> None:
    values = packed(raw(replace(run_created(), meta={}))[:-1])
    one, other = decode(values), decode(values)

    assert isinstance(one, ev.RunCreated)
    assert isinstance(other, ev.RunCreated)
    assert one.meta == {}
    assert one.meta is not other.meta


def test_a_nested_tuple_of_an_older_release_gets_defaults() -> None:
    values = raw(ev.LimitsChanged(at=1.0, cause=0, limits=ev.Limits()))
    values[-1] = [9]

    assert decode(packed(values)) == ev.LimitsChanged(at=1.0, cause=0, limits=ev.Limits(slots=9))


def test_a_status_of_a_newer_release_stays_text() -> None:
    values = raw(ev.RunFinished(at=1.0, cause=0, status=ev.RunStatus.FAILED))
    values[-1] = "paused"

    event = decode(packed(values))

    assert isinstance(event, ev.RunFinished)
    assert event.status == "paused"
    assert raw(event) == values


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x2a",
        b"\x81\x01\x02",
        b"\x90",
        encode(succeeded(3))[:-1],
        encode(succeeded(3)) + b"\x00",
        packed([5, 1, 1.0]),
        packed([18, 1, 1.0, 0, 7]),
        packed([[1], 1]),
    ],
    ids=[
        "empty",
        "no msgpack",
        "a number",
        "a map",
        "no kind",
        "cut",
        "too long",
        "too few fields",
        "bad tuple",
        "bad kind",
    ],
)
def test_damaged_bytes_are_told_as_such(data: bytes) -> None:
    with pytest.raises(StoreError, match="no event") as caught:
        decode(data)
    assert "asyncflow doctor" in caught.value.hint


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for read in (decode, decode_batch):
        try:
            read(data)
        except StoreError:
            pass


@given(st.integers(0, 200), st.integers(0, 255))
def test_no_changed_byte_of_a_real_batch_raises_anything_else(place: int, value: int) -> None:
    body = bytearray(encode_batch(ONE_OF_EACH[6:9]))
    body[place % len(body)] = value
    try:
        decode_batch(bytes(body))
    except StoreError:
        pass


@pytest.mark.parametrize("value", [2**64, object(), {1, 2}], ids=["too large", "an object", "a set"])
def test_what_cannot_be_encoded_is_a_bug_that_names_the_kind(value: object) -> None:
    event = run_created(meta={"bad": value})

    for attempt in (lambda: encode(event), lambda: encode_batch([launched(1), event])):
        with pytest.raises(InternalError, match="RunCreated cannot be encoded"):
            attempt()


def test_plain_values_are_json() -> None:
    for event in ONE_OF_EACH:
        plain = json.loads(json.dumps(to_plain(event)))
        assert plain["event"] == type(event).__name__
    failed = to_plain(ev.TaskFailed(at=1.0, cause=0, task=1, number=0, error=ERROR))
    assert failed["error"]["type"] == "builtins.ValueError"
    assert to_plain(UnknownEvent(kind=999, data=b"\x01")) == {
        "event": "UnknownEvent",
        "kind": 999,
        "data": "01",
    }


def test_nan_and_infinity_come_back() -> None:
    event = run_created(at=math.inf, meta={"loss": math.nan})
    back = decode(encode(event))

    assert isinstance(back, ev.RunCreated)
    assert back.at == math.inf
    assert math.isnan(back.meta["loss"])


def test_every_kind_has_a_code_of_its_own() -> None:
    codes = [kind["code"] for kind in schema()["kinds"].values()]

    assert len(set(codes)) == len(codes) == len(get_args(ev.Event))
