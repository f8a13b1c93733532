"""Foreach items, one by one out of one blob."""

from __future__ import annotations

import os
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asyncflow.errors import StoreError
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import Items
from asyncflow.store.unpicklable import UnpicklableArtifact
from tests.unit.store.files import blob_files, temporary_files


def read_all(store: LocalStore, items: Items) -> list[Any]:
    return [store.read_item(items, index) for index in range(items.width)]


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None],
        [1, 2.5, "three", b"four", (5,), {"six": 6}],
        range(1000),
        "abc",
        [b"x" * 3_000_000, 1, b"y" * 3_000_000],
    ],
    ids=["none", "one", "mixed", "range", "string", "long"],
)
def test_items_come_back_in_order(store: LocalStore, values: Any) -> None:
    items = store.write_items(values)
    assert items.width == len(values)
    assert read_all(store, items) == list(values)


def test_a_dict_gives_pairs_and_a_generator_its_values(store: LocalStore) -> None:
    assert read_all(store, store.write_items({"a": 1, "b": [2]})) == [("a", 1), ("b", [2])]
    assert read_all(store, store.write_items(number * number for number in range(5))) == [0, 1, 4, 9, 16]


def test_arrays_come_back_even_when_the_generator_uses_one_buffer_for_all(store: LocalStore) -> None:
    buffer = np.zeros(5000)

    def refill() -> Iterator[np.ndarray[Any, Any]]:
        for number in range(4):
            buffer[:] = number
            yield buffer

    items = store.write_items(refill())
    for number in range(4):
        array = store.read_item(items, number)
        assert (array == number).all()
        array[0] = 7


def test_equal_items_make_one_blob(store: LocalStore) -> None:
    assert store.write_items([1, 2, 3]) == store.write_items(iter([1, 2, 3]))
    assert store.write_items([12, 3]).digest != store.write_items([1, 23]).digest
    assert len(blob_files(store)) == 3
    assert temporary_files(store) == []
    for digest in store.digests():
        store.verify_blob(digest)


@pytest.mark.slow
def test_a_million_items_are_streamed_in_bounded_memory(store: LocalStore) -> None:
    tracemalloc.start()
    items = store.write_items(iter(range(100_000)))
    small = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert small < 100_000 * 8 * 2.2 + 25_000_000
    items = store.write_items(iter(range(1_000_000)))
    assert items.width == 1_000_000
    assert [store.read_item(items, index) for index in (0, 1, 255, 256, 65_536, 999_999)] == [
        0, 1, 255, 256, 65_536, 999_999
    ]  # fmt: skip


def test_reading_an_item_does_not_read_the_others(store: LocalStore) -> None:
    items = store.write_items([os.urandom(8 << 20), "small", os.urandom(8 << 20)])
    tracemalloc.start()
    assert store.read_item(items, 1) == "small"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_an_item_that_cannot_be_pickled_is_named_by_its_place(store: LocalStore) -> None:
    with pytest.raises(UnpicklableArtifact, match=r"self\.jobs\[1\]\['lock'\] \(_thread\.lock\)"):
        store.write_items([1, {"lock": threading.Lock()}], path="self.jobs")
    assert blob_files(store) == []
    assert temporary_files(store) == []


def test_what_the_generator_raises_is_raised_and_nothing_is_left(store: LocalStore) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        store.write_items(broken())
    assert temporary_files(store) == []


def test_damaged_items_are_an_error_that_names_item_and_path(store: LocalStore) -> None:
    items = store.write_items(range(5000))
    path = blob_files(store)[0]
    whole = path.read_bytes()
    with pytest.raises(StoreError, match=r"Item 9000 of self.n.*no item"):
        store.read_item(items, 9000, path="self.n")
    os.truncate(path, len(whole) - 9)
    with pytest.raises(StoreError, match=r"Item 3 of self\.n.*damaged") as caught:
        store.read_item(items, 3, path="self.n")
    assert caught.value.where == str(path)
    path.write_bytes(whole[:-8] + b"\xff" * 8)
    with pytest.raises(StoreError, match=r"Item 4999 .*damaged"):
        store.read_item(items, 4999)
    path.unlink()
    with pytest.raises(StoreError, match="missing"):
        store.read_item(items, 0)


def test_a_full_disk_while_writing_items_is_a_store_error(tmp_path: Path) -> None:
    from tests.unit.store.test_blobs import file_size_limit

    store = LocalStore(str(tmp_path))
    with file_size_limit(100_000), pytest.raises(StoreError, match=r"items of self\.n could not be written"):
        store.write_items(range(1_000_000), path="self.n")
    assert temporary_files(store) == []
