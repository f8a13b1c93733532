"""What workers are told, many of them in one object, of which each reads little."""

from __future__ import annotations

import pytest

from asyncflow.backends.remote.specs import FIRST_BYTES, SpecWriter, read_orders
from asyncflow.errors import StoreError
from asyncflow.machine.ids import Attempt, ManifestKey
from asyncflow.records import replace
from asyncflow.worker.spec import TaskSpec
from tests.unit.backends.remote.given import LUGGAGE, RUN, task


class Bucket:
    """An object, and what was asked of it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked: list[tuple[int, int]] = []

    def read(self, offset: int, length: int) -> bytes:
        self.asked.append((offset, length))
        return self.data[offset : offset + length]


def written(tasks: list[TaskSpec], size_bytes: int = 100) -> Bucket:
    def manifest(key: ManifestKey) -> bytes:
        return f"{key.task}.{key.attempt} ".encode().ljust(size_bytes, b"m")

    writer = SpecWriter(RUN, LUGGAGE, manifest)
    assert [writer.add(one) for one in tasks] == list(range(len(tasks)))
    return Bucket(writer.finish())


def test_each_worker_is_told_its_own() -> None:
    tasks = [task(number, index=number - 2, width=3) for number in (2, 3, 4)]
    bucket = written(tasks)

    for index, one in enumerate(tasks):
        orders = read_orders(bucket.read, index)
        assert orders.task == replace(one, inputs=list(one.inputs))
        assert (orders.run, orders.luggage) == (RUN, LUGGAGE)
        assert list(orders.manifests) == [ManifestKey(7, 0, 0), ManifestKey(7, 1, 0)]
        assert orders.manifests[ManifestKey(7, 1, 0)].startswith(b"1.0 ")


def test_a_small_object_is_read_at_once() -> None:
    bucket = written([task(2), task(3)])

    read_orders(bucket.read, 1)

    assert bucket.asked == [(0, FIRST_BYTES)]


def test_a_manifest_that_many_start_from_is_there_once() -> None:
    one, hundred = written([task(2)], 10_000), written([task(number) for number in range(2, 102)], 10_000)

    assert len(hundred.data) < len(one.data) + 100 * 300


def test_a_join_reads_the_manifests_of_its_branches_together() -> None:
    inputs = tuple(ManifestKey(7, number, 0) for number in range(2, 102))
    bucket = written([task(200, inputs=inputs, split=ManifestKey(7, 1, 0))], 20_000)

    orders = read_orders(bucket.read, 0)

    assert len(orders.manifests) == 102
    assert len(bucket.asked) <= 4


def test_a_worker_among_many_reads_little_of_a_large_object() -> None:
    """Each starts from a manifest of its own; the parameters' are at the other end of the object."""
    tasks = [task(number, inputs=(ManifestKey(7, number - 1, 0),)) for number in range(2, 502)]
    bucket = written(tasks, 20_000)

    orders = read_orders(bucket.read, 499)

    assert orders.task.attempt == Attempt(501, 0)
    assert orders.manifests[ManifestKey(7, 500, 0)].startswith(b"500.0 ")
    assert sum(length for _, length in bucket.asked) < FIRST_BYTES + 200_000


def test_several_attempts_of_a_task_may_be_in_one_object() -> None:
    bucket = written([task(2, attempt=0), task(2, attempt=1)])

    assert read_orders(bucket.read, 1).task.attempt == Attempt(2, 1)


@pytest.mark.parametrize("index", [3, 100])
def test_who_is_not_in_the_object_is_told_so(index: int) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        read_orders(written([task(2), task(3), task(4)]).read, index)


def test_an_object_that_is_none_is_refused() -> None:
    with pytest.raises(StoreError, match="does not begin"):
        read_orders(Bucket(b"<Error>").read, 0)


@pytest.mark.parametrize("left", [6, 40, 300])
def test_an_object_that_is_cut_off_is_refused(left: int) -> None:
    bucket = written([task(2)])

    with pytest.raises(StoreError, match="cannot be read"):
        read_orders(Bucket(bucket.data[:left]).read, 0)


def test_an_object_that_is_cut_off_far_behind_is_refused() -> None:
    bucket = written([task(2)], FIRST_BYTES)

    with pytest.raises(StoreError, match="cut off"):
        read_orders(Bucket(bucket.data[:-1000]).read, 0)


def test_a_manifest_that_is_missing_is_told_when_the_object_is_written() -> None:
    def missing(key: ManifestKey) -> bytes:
        raise StoreError(f"no manifest {key.task}")

    with pytest.raises(StoreError, match="no manifest 0"):
        SpecWriter(RUN, LUGGAGE, missing).add(task(2))
