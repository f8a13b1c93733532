"""Values out to the store and back."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from asyncflow.errors import StoreError
from asyncflow.store import serializers
from asyncflow.store.content import Content
from asyncflow.store.digests import Buffer
from asyncflow.store.local import INLINE_BYTES, MOST_INLINED_BYTES, LocalStore
from asyncflow.store.manifest import ArtifactRecord
from tests.unit.store.files import blob_files

RANDOM = np.random.default_rng(7)

VALUES: dict[str, Callable[[], Any]] = {
    "int": lambda: 3,
    "none": lambda: None,
    "text": lambda: "grün",
    "long text": lambda: "word " * 50_000,
    "empty bytes": lambda: b"",
    "bytes": lambda: b"\x28\xb5\x2f\xfd and more",
    "long bytes": lambda: os.urandom(3 << 20),
    "bytearray": lambda: bytearray(os.urandom(200_000)),
    "nested": lambda: {"a": [1, (2, {3})], "b": {"c": b"x" * 100_000}},
    "type": lambda: dict,
}


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_comes_back_equal_and_of_its_type(store: LocalStore, kind: str) -> None:
    value = VALUES[kind]()
    record = store.dump(value, name="x")
    again = store.load(record, name="x")
    assert again == value
    assert type(again) is type(value)
    assert record.type == f"{type(value).__module__}.{type(value).__qualname__}"


@pytest.mark.parametrize("length", [3, 600, 10_000, 400_000])
@pytest.mark.parametrize("kind", ["random", "zeros", "fortran", "read only", "strided"])
def test_an_array_comes_back_equal_and_writable(store: LocalStore, kind: str, length: int) -> None:
    array = np.zeros((length, 2)) if kind == "zeros" else RANDOM.random((length, 2))
    if kind == "fortran":
        array = np.asfortranarray(array)
    if kind == "strided":
        array = array[::2]
    if kind == "read only":
        array.flags.writeable = False
    again = store.load(store.dump(array))
    assert np.array_equal(again, array)
    assert again.flags.writeable is (kind != "read only")
    if kind != "read only":
        again[0] = -1
        assert not np.array_equal(again, array)


def test_changing_a_loaded_array_in_place_does_not_change_the_store(store: LocalStore) -> None:
    array = RANDOM.random(400_000)
    record = store.dump(array)
    first = store.load(record)
    first[:] = 0
    assert np.array_equal(store.load(record), array)
    store.verify_blob(record.digest)


def test_a_frame_comes_back_equal(store: LocalStore) -> None:
    frame = pd.DataFrame({"a": RANDOM.random(200_000), "b": np.arange(200_000), "c": ["x", "y"] * 100_000})
    again = store.load(store.dump(frame))
    pd.testing.assert_frame_equal(again, frame)
    again.loc[0, "a"] = 5.0
    assert again.loc[0, "a"] == 5.0


def test_a_large_array_is_written_and_read_without_a_copy_of_its_bytes(store: LocalStore) -> None:
    # given an array of 64 MB
    array = RANDOM.random(8 << 20)
    # when it is stored and loaded, and all memory that Python and NumPy ask for is counted
    tracemalloc.start()
    again = store.load(store.dump(array))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # then neither way took a noticeable part of it
    assert peak < 4 << 20
    assert np.array_equal(again, array)
    assert again.ctypes.data % 64 == 0


def test_long_bytes_are_written_without_a_copy_and_read_once(store: LocalStore) -> None:
    value = {"plain": os.urandom(16 << 20)}
    tracemalloc.start()
    record, bare = store.dump(value), store.dump(value["plain"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
    tracemalloc.start()
    assert store.load(bare) == value["plain"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (16 << 20) + (4 << 20)
    assert store.load(record) == value


@pytest.mark.slow
def test_the_peak_memory_of_a_process_that_hands_on_an_array_is_the_array(tmp_path: Path) -> None:
    # given two processes, one that makes 128 MB and stores them, one that loads and reads them
    program = """
        import os, resource, sys
        import numpy as np
        from asyncflow.store.local import LocalStore
        store = LocalStore(sys.argv[1])
        def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if sys.argv[2] == "write":
            array = np.random.default_rng(1).random(16 << 20)
            before = peak()
            record = store.dump(array)
            print(record.digest, record.size_bytes, record.type, record.encoding)
            print(peak() - before, file=sys.stderr)
        else:
            from asyncflow.store.manifest import ArtifactRecord
            digest, size, kind, encoding = sys.argv[3:]
            record = ArtifactRecord(digest=digest, size_bytes=int(size), type=kind, encoding=encoding)
            before = peak()
            assert store.load(record).sum() > 0
            print(peak() - before, file=sys.stderr)
    """

    def run(*arguments: str) -> tuple[list[str], int]:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), str(tmp_path), *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split(), int(done.stderr)

    record, writing = run("write")
    _, reading = run("read", *record)
    # then writing takes next to nothing beside the array, and reading the array once
    assert writing < 0.2 * (128 << 20)
    assert reading < 1.2 * (128 << 20)


def test_equal_values_are_stored_once(store: LocalStore) -> None:
    array = RANDOM.random(100_000)
    first, second = store.dump(array), store.dump(array.copy())
    assert first.digest == second.digest
    assert len(blob_files(store)) == 1


def test_a_small_value_leaves_no_file(store: LocalStore) -> None:
    record = store.dump(b"x" * INLINE_BYTES)
    assert record.inline is not None
    assert blob_files(store) == []
    assert store.dump(os.urandom(INLINE_BYTES + 1)).inline is None
    assert len(blob_files(store)) == 1


def test_what_compresses_to_little_is_inlined_too(store: LocalStore) -> None:
    record = store.dump(["the same words"] * 20_000)
    assert record.size_bytes > INLINE_BYTES
    assert record.inline is not None
    assert store.load(record) == ["the same words"] * 20_000


def test_compressible_values_take_less_room_and_random_ones_stay_raw(store: LocalStore) -> None:
    words = " ".join(str(number) for number in range(400_000))
    store.dump(words)
    assert blob_files(store)[0].stat().st_size < 0.5 * len(words)
    noise = RANDOM.random(400_000)
    digest = store.dump(noise).digest
    size = Path(store.root, "blobs", digest[:2], digest[2:]).stat().st_size
    assert noise.nbytes < size < noise.nbytes + 1000


def test_inlined_values_of_a_manifest_are_bounded_and_the_rest_goes_to_blobs(store: LocalStore) -> None:
    records = {f"x{number}": store.dump(os.urandom(4000)) for number in range(20)}
    fitted = store.fit_inline(records)
    assert sum(len(record.inline or b"") for record in fitted.values()) <= MOST_INLINED_BYTES
    assert fitted["x0"].inline is not None
    assert fitted["x19"].inline is None
    assert [store.load(fitted[name]) for name in records] == [store.load(records[name]) for name in records]
    assert list(fitted) == list(records)


def test_a_value_that_is_still_what_is_known_gives_the_known_record(store: LocalStore) -> None:
    known = store.dump({"a": 1})
    assert store.dump({"a": 1}, known=known) is known
    assert store.dump({"a": 2}, known=known) is not known


class Celsius:
    """A type with a serializer of its own."""

    def __init__(self, degrees: float) -> None:
        self.degrees = degrees


class Kelvin(Celsius):
    """A subclass of it."""


class CelsiusText:
    """Stores a temperature as text."""

    name = "celsius-text"
    types = ("tests.unit.store.test_artifacts.Celsius",)
    takes_subclasses = False

    def dump(self, value: Any) -> list[Buffer]:
        return [str(value.degrees).encode()]

    def load(self, content: Content) -> Celsius:
        return Celsius(float(content.read()))


@pytest.fixture
def _fresh_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_by_name", "_by_type", "_found"):
        monkeypatch.setattr(serializers, name, dict(getattr(serializers, name)))


@pytest.mark.usefixtures("_fresh_registry")
def test_a_type_may_bring_its_own_serializer(store: LocalStore) -> None:
    Celsius.__module__ = "tests.unit.store.test_artifacts"
    serializers.register(CelsiusText())
    record = store.dump(Celsius(36.6))
    assert (record.encoding, record.size_bytes) == ("celsius-text", 4)
    assert store.load(record).degrees == 36.6
    assert store.dump(1).encoding == "pickle5"
    assert serializers.serializer_for(Kelvin).name == "pickle5"


def test_an_encoding_nobody_knows_is_an_error_that_says_what_to_import(store: LocalStore) -> None:
    record = ArtifactRecord(digest="0" * 40, size_bytes=1, type="a.B", encoding="exotic", inline=b"\0x")
    with pytest.raises(StoreError, match="exotic") as caught:
        store.load(record, name="x")
    assert "register" in caught.value.hint


def test_a_type_that_is_gone_is_an_error_that_names_artifact_and_type(store: LocalStore) -> None:
    pickled = b"\0" + b"\x80\x04c" + b"no_such_module\nThing\n" + b"."
    record = ArtifactRecord(
        digest="0" * 40,
        size_bytes=len(pickled) - 1,
        type="no_such_module.Thing",
        encoding="pickle5",
        inline=pickled,
    )
    with pytest.raises(StoreError, match=r"`model` of type no_such_module\.Thing.*No module named"):
        store.load(record, name="model")
