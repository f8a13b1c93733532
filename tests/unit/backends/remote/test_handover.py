"""Small results go through the platform's hands, and whoever holds them learns nothing."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from asyncflow.backends.remote.handover import (
    RESULT_FILE_VARIABLE,
    base_of,
    fresh_seal,
    hand_over,
    handed_over,
    is_handed_over,
)
from asyncflow.machine.ids import ManifestKey
from asyncflow.store.left import Left, encode_left
from asyncflow.store.manifest import ArtifactRecord, Manifest
from asyncflow.store.manifests import encode_manifest
from tests.unit.backends.remote.given import RUN, task

SEAL = bytes(range(32))
SECRET = b"a small artifact of value"
INHERITED = os.urandom(3000)


def manifest(*values: bytes) -> bytes:
    records = {
        f"x{place}": ArtifactRecord("d" * 40, len(value), "builtins.bytes", "pickle5", value)
        for place, value in enumerate(values)
    }
    return encode_manifest(Manifest("F", 7, "work", 2, 0, True, artifacts=records))


BASE = manifest(INHERITED)
LEFT = Left(manifest(INHERITED, SECRET), log=b"it ran\n", metadata={"host": "node"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file that the platform has made."""
    path = tmp_path / "termination-log"
    path.touch()
    return path


def given(file: Path, left: Left = LEFT, seal: bytes = SEAL, base: bytes = BASE) -> str:
    """Hand a result over; return what the platform reads then."""
    hand_over(encode_left(left), seal, base, {RESULT_FILE_VARIABLE: str(file)})
    return file.read_text() if file.exists() else ""


def test_what_a_worker_hands_over_arrives_with_what_its_task_inherited_left_out(file: Path) -> None:
    text = given(file)

    assert is_handed_over(text)
    assert len(text) < 1000, "of 3000 bytes that were inherited none is sent"
    assert handed_over(text, SEAL, BASE) == LEFT


def test_who_reads_it_underway_sees_no_artifact(file: Path) -> None:
    short = Left(manifest(SECRET))
    text = given(file, short, base=b"")
    file.write_text("")
    other = given(file, short, base=b"")

    for sent in (text, other):
        assert SECRET not in base64.b64decode(sent.partition(":")[2])
    assert text != other, "the same result never looks the same"
    assert handed_over(text, SEAL, b"") == handed_over(other, SEAL, b"") == short


@pytest.mark.parametrize("wrong", ["key", "manifest", "cut", "changed", "no base64", "a message"])
def test_what_is_not_ours_or_not_whole_is_no_result(file: Path, wrong: str) -> None:
    text = given(file)
    changed = text[:-8] + ("A" if text[-8] != "A" else "B") + text[-7:]
    told, seal, base = {
        "key": (text, fresh_seal(), BASE),
        "manifest": (text, SEAL, manifest(os.urandom(3000))),
        "cut": (text[:-12], SEAL, BASE),
        "changed": (changed, SEAL, BASE),
        "no base64": (text[:30] + "\x1b" + text[31:], SEAL, BASE),
        "a message": ("Traceback: no such file", SEAL, BASE),
    }[wrong]

    assert handed_over(told, seal, base) is None
    assert is_handed_over(told) == (wrong != "a message"), (
        "what is for us is not shown to people, whole or not"
    )


def test_what_is_too_long_stays_in_the_store(file: Path) -> None:
    assert given(file, Left(manifest(INHERITED, os.urandom(3000)))) == ""
    assert given(file, Left(manifest(INHERITED, os.urandom(2000)))) != ""
    assert file.stat().st_size <= 4096


def test_a_message_of_the_step_is_not_overwritten(file: Path) -> None:
    file.write_text("no space left")

    assert given(file) == "no space left"


def test_nothing_is_made_where_the_platform_takes_nothing(tmp_path: Path, file: Path) -> None:
    assert given(tmp_path / "none") == ""
    hand_over(encode_left(LEFT), b"", BASE, {RESULT_FILE_VARIABLE: str(file)})
    hand_over(encode_left(LEFT), SEAL, BASE, {})

    assert sorted(os.listdir(tmp_path)) == ["termination-log"]
    assert file.read_text() == "", "orders without a key want none"


def test_a_result_is_shortened_by_what_its_task_started_from() -> None:
    assert base_of(RUN, task(2)) == ManifestKey(7, 1, 0)
    assert base_of(RUN, task(2, inputs=())) == RUN.parameters
