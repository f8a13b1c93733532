"""Manifests: their bytes, and their way into the store and back."""

from __future__ import annotations

import zlib
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncflow.errors import StoreError
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import ArtifactRecord, CardRecord, ErrorRecord, FrameRecord, Items, Manifest
from asyncflow.store.manifests import decode_manifest, encode_manifest
from tests.manifests import damage_manifest
from tests.unit.store.files import temporary_files

ITEMS = Items(digest="ab" * 20, width=3)
RECORD = ArtifactRecord(digest="cd" * 20, size_bytes=9, type="builtins.int", encoding="pickle5")
ERROR = ErrorRecord(
    type="builtins.KeyError", message="'x'", traceback="Traceback ...", bases=("a", "b"), is_retryable=False
)
FULL = Manifest(
    flow="F",
    run=3,
    step="train",
    task=12,
    attempt=1,
    is_ok=True,
    caught=ERROR,
    error=ERROR,
    artifacts={
        "b": RECORD,
        "a": ArtifactRecord(digest="", size_bytes=1, type="t", encoding="e", inline=b"\0", is_new=True),
    },
    frames=(
        FrameRecord(split_step="start", variable="xs", index=2, width=3, items=ITEMS),
        FrameRecord(split_step="fan", variable=None, index=0, width=2),
    ),
    next=("x", "y"),
    width=4,
    items=ITEMS,
    variable="zs",
    chosen="x",
    iteration=5,
    started_at=1.5,
    ended_at=2.5,
    cpu_s=0.25,
    max_rss_bytes=1 << 33,
    host="box",
    pid=77,
    reads=("self.x", "current.run_id"),
    reused=(1, 2, 0),
    code="ee" * 20,
    cards=(
        CardRecord("default", "plots", "ff" * 20, 77, b"\x00x", 5.0),
        CardRecord("blank", "", "aa" * 20, 9_000),
    ),
)
SMALL = Manifest(flow="G", run=1, step="start", task=1, attempt=0, is_ok=False)


def test_every_field_survives_the_way_to_bytes_and_back() -> None:
    for name in Manifest._fields:
        if name != "version":
            assert getattr(FULL, name) != getattr(SMALL, name), f"{name} is not tested"
    assert decode_manifest(encode_manifest(FULL)) == FULL
    assert decode_manifest(encode_manifest(SMALL)) == SMALL
    again = decode_manifest(encode_manifest(FULL))
    assert list(again.artifacts) == ["b", "a"]
    assert types_in(again) == types_in(FULL)


def types_in(manifest: Manifest) -> list[type]:
    parts = (
        *manifest,
        *manifest.artifacts.values(),
        *manifest.frames,
        *(frame.items for frame in manifest.frames),
    )
    return [type(part) for part in parts]


def test_a_small_manifest_is_small() -> None:
    assert len(encode_manifest(SMALL)) < 120


@given(
    name=st.text(),
    inline=st.binary() | st.none(),
    size=st.integers(0, 2**63 - 1),
    message=st.text(),
    at=st.floats(allow_nan=False),
)
def test_any_values_survive(name: str, inline: bytes | None, size: int, message: str, at: float) -> None:
    record = ArtifactRecord(digest="d", size_bytes=size, type=name, encoding="e", inline=inline)
    manifest = Manifest(
        flow=name,
        run=1,
        step="s",
        task=2,
        attempt=0,
        is_ok=True,
        artifacts={name: record},
        error=ErrorRecord(type="t", message=message),
        started_at=at,
    )
    assert decode_manifest(encode_manifest(manifest)) == manifest


def sealed(data: object) -> bytes:
    body = msgpack.packb(data)
    return b"AFM1" + zlib.crc32(body).to_bytes(4, "little") + body


def test_fields_of_a_newer_version_are_skipped_everywhere() -> None:
    data = msgpack.unpackb(encode_manifest(FULL)[8:])
    arrays = [data, data[6]["a"], data[6]["b"], data[7][0], data[7][0][4], data[10], data[14], data[15]]
    for array in arrays:
        array.append({"from": ["the", "future"]})
    assert sum("future" in str(part) for part in data) == 6
    assert decode_manifest(sealed(data)) == FULL


def test_fields_an_older_version_did_not_know_have_their_defaults() -> None:
    data = msgpack.unpackb(encode_manifest(FULL)[8:])
    old = decode_manifest(sealed(data[:10]))
    assert (old.width, old.items, old.pid, old.error) == (4, None, 0, None)
    data[6]["a"] = data[6]["a"][:4]
    assert decode_manifest(sealed(data)).artifacts["a"].inline is None


@pytest.mark.parametrize("position", [0, 5, 8, 40, -1])
def test_any_changed_byte_is_noticed(position: int) -> None:
    data = bytearray(encode_manifest(FULL))
    data[position] ^= 0x10
    with pytest.raises(ValueError, match=r"checksum|begin"):
        decode_manifest(bytes(data))


@pytest.mark.parametrize("data", [["F", 1, "start"], {"flow": "F"}, 7, ["F", 1, "s", 1, 0, True, [1]]])
def test_what_is_no_manifest_is_damaged(data: object) -> None:
    with pytest.raises(ValueError, match="field"):
        decode_manifest(sealed(data))


def test_a_manifest_is_written_and_read_and_replaced(store: LocalStore) -> None:
    assert not store.has_manifest(3, 12, 1)
    store.write_manifest(FULL)
    assert store.has_manifest(3, 12, 1)
    assert store.read_manifest(3, 12, 1) == FULL
    other = Manifest(flow="F", run=3, step="other", task=12, attempt=1, is_ok=True)
    store.write_manifest(other)
    assert store.read_manifest(3, 12, 1) == other
    assert LocalStore(store.root).read_manifest(3, 12, 1) == other
    assert temporary_files(store) == []


def test_a_thousand_tasks_share_a_file(store: LocalStore) -> None:
    for task in (1, 999, 1000):
        store.write_manifest(SMALL._replace(task=task))
    assert sorted(path.name for path in Path(store.root, "runs", "1").iterdir()) == [
        "0.manifests",
        "1.manifests",
    ]
    assert [store.read_manifest(1, task, 0).task for task in (1, 999, 1000)] == [1, 999, 1000]


def test_more_packs_than_are_remembered_can_be_read(store: LocalStore) -> None:
    tasks = range(0, 40_000, 1000)
    for task in tasks:
        store.write_manifest(SMALL._replace(task=task))
    for _ in range(2):
        assert [store.read_manifest(1, task, 0).task for task in tasks] == list(tasks)


def test_a_missing_manifest_is_an_error_that_names_the_attempt(store: LocalStore) -> None:
    with pytest.raises(StoreError, match="run 3, task 12, attempt 1 is missing") as caught:
        store.read_manifest(3, 12, 1)
    assert caught.value.where.endswith("/runs/3/0.manifests")


@pytest.mark.parametrize("at", [0, 5, 8, 40, -1])
def test_a_damaged_manifest_is_an_error_that_says_so_and_harms_no_other(store: LocalStore, at: int) -> None:
    store.write_manifest(FULL)
    store.write_manifest(SMALL._replace(run=3))
    damage_manifest(store.root, 3, 12, 1, at=at)
    for reader in (store, LocalStore(store.root)):
        reader.write_manifest(SMALL._replace(run=3, task=2))
        with pytest.raises(StoreError, match="damaged") as caught:
            reader.read_manifest(3, 12, 1)
        assert "Delete" not in caught.value.hint, "the others are in that file too"
        assert reader.read_manifest(3, 1, 0) == SMALL._replace(run=3)
        assert reader.read_manifest(3, 2, 0).task == 2
    assert not LocalStore(store.root).has_manifest(3, 12, 1)


def test_what_an_earlier_run_of_the_same_number_left_is_discarded(store: LocalStore) -> None:
    # Given the manifests of a run whose database was lost, and a driver that begins again at number 3
    store.write_manifest(FULL)
    driver, task = LocalStore(store.root), LocalStore(store.root)
    driver.discard_manifest(3, 12, 0)
    # When it launches the same attempt, Then the old manifest is gone, and the new one counts
    driver.discard_manifest(3, 12, 1)
    for reader in (driver, task, LocalStore(store.root)):
        assert not reader.has_manifest(3, 12, 1)
    task.write_manifest(FULL._replace(step="new"))
    assert driver.read_manifest(3, 12, 1).step == "new"


def test_a_driver_does_not_discard_what_its_own_attempts_left(store: LocalStore) -> None:
    store.discard_manifest(3, 12, 0)
    LocalStore(store.root).write_manifest(FULL)
    size = Path(store.root, "runs", "3", "0.manifests").stat().st_size
    store.discard_manifest(3, 12, 1)
    assert store.has_manifest(3, 12, 1)
    assert Path(store.root, "runs", "3", "0.manifests").stat().st_size == size


def test_a_pack_that_cannot_be_opened_is_an_error_that_says_why(store: LocalStore) -> None:
    Path(store.root, "runs", "3", "0.manifests").mkdir(parents=True)
    with pytest.raises(StoreError, match="could not be read"):
        store.read_manifest(3, 12, 1)
    with pytest.raises(StoreError, match="could not be written"):
        store.write_manifest(FULL)
    with pytest.raises(StoreError, match="could not be written"):
        store.discard_manifest(3, 12, 1)
    assert not store.has_manifest(3, 12, 1)


def test_what_many_attempts_left_elsewhere_is_kept_once(store: LocalStore) -> None:
    bodies = {task: encode_manifest(FULL._replace(task=task)) for task in (1, 2, 999, 1000, 2500)}
    store.keep_manifest(3, 2, 1, bodies[2])
    asked = [(task, 1, body) for task, body in bodies.items()]

    store.keep_manifests(3, asked)
    size = [path.stat().st_size for path in sorted(Path(store.root).rglob("*.manifests"))]
    store.keep_manifests(3, asked)

    assert {task: store.manifest_bytes(3, task, 1) for task in bodies} == bodies
    assert size == [path.stat().st_size for path in sorted(Path(store.root).rglob("*.manifests"))]
    assert len(size) == 3
