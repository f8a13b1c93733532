"""The bytes of events are a promise: this fails until a change is made knowingly.

A new field goes last in its class and has a default; the kind's version in codec.py grows by one. Then run
`python -m tests.unit.events.test_event_schema`, which renews schema.json and adds a golden log of this release.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from asyncflow.events.codec import decode_batch, encode_batch, schema, to_plain
from asyncflow.version import __version__
from tests.unit.events.stories import ONE_OF_EACH

LOGS = Path(__file__).parents[2] / "golden" / "logs"
SCHEMA = LOGS / "schema.json"
RELEASES = sorted(path.parent for path in LOGS.glob("*/events.msgpack"))


def recorded() -> dict[str, Any]:
    return dict(json.loads(SCHEMA.read_text(encoding="utf-8")))


def test_the_schema_is_the_recorded_one() -> None:
    assert schema() == recorded(), __doc__


def test_fields_are_only_ever_added_at_the_end() -> None:
    for name, kind in recorded()["kinds"].items():
        now = schema()["kinds"][name]
        assert now["fields"][: len(kind["fields"])] == kind["fields"]
        assert now["code"] == kind["code"]
    for name, names in recorded()["nested"].items():
        assert schema()["nested"][name][: len(names)] == names


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
def test_the_log_of_an_earlier_release_is_read(release: Path) -> None:
    events = decode_batch((release / "events.msgpack").read_bytes())
    expected = json.loads((release / "events.json").read_text(encoding="utf-8"))

    assert len(events) == len(expected)
    for event, plain in zip(events, expected, strict=True):
        now = json.loads(json.dumps(to_plain(event)))
        assert {name: now[name] for name in plain} == plain


def test_there_is_a_golden_log_of_the_present_schema() -> None:
    kinds = [json.loads((release / "schema.json").read_text(encoding="utf-8")) for release in RELEASES]

    assert recorded() in kinds


def renew() -> None:
    """Write down the schema as it is, and a log of this release."""
    release = LOGS / __version__
    release.mkdir(parents=True, exist_ok=True)
    text = json.dumps(schema(), indent=1) + "\n"
    SCHEMA.write_text(text, encoding="utf-8")
    (release / "schema.json").write_text(text, encoding="utf-8")
    (release / "events.msgpack").write_bytes(encode_batch(ONE_OF_EACH))
    plain = [to_plain(event) for event in ONE_OF_EACH]
    (release / "events.json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    renew()
