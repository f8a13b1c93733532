"""Who drives a run of a store in a bucket: one of any number of machines."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from asyncflow.errors import RunIsElsewhere
from asyncflow.events.lease import STALE_S, Owner
from asyncflow.records import replace
from asyncflow.runtime.remote_lease import RemoteLease
from asyncflow.store.s3.keys import lease_key
from asyncflow.testing.clock import FakeClock
from tests.unit.runtime.remote_store import Dated

HERE = Owner.of_this_process()
DEAD_HERE = replace(HERE, id="dead", pid=2**22 - 3, process_start="0")
FAR = replace(HERE, id="far", host="far-away", boot="another")
NAMESAKE = replace(HERE, id="namesake", boot="another")


class Bench:
    def __init__(self, root: Path) -> None:
        self.clock = FakeClock()
        self.objects = Dated(str(root / "bucket"), self.clock)

    def lease(self, owner: Owner = HERE) -> RemoteLease:
        return RemoteLease(self.objects, 7, replace(owner), self.clock)

    async def epochs(self) -> int:
        count = 0
        while await self.objects.head(lease_key(7, count + 1)) is not None:
            count += 1
        return count


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_who_gave_a_run_back_leaves_it_to_the_next_one(bench: Bench) -> None:
    first = bench.lease(FAR)
    await first.acquire()
    await first.release()

    await bench.lease().acquire()

    assert await bench.epochs() == 2


@pytest.mark.parametrize(
    "owner", [FAR, NAMESAKE], ids=["another machine", "another machine of the same name"]
)
async def test_a_driver_elsewhere_lives_as_long_as_it_gives_signs_of_life(bench: Bench, owner: Owner) -> None:
    first = bench.lease(owner)
    await first.acquire()
    for _ in range(3):
        bench.clock.advance(STALE_S - 1)
        await first.renew()
    bench.clock.advance(STALE_S - 1)

    with pytest.raises(RunIsElsewhere, match="which is alive"):
        await bench.lease().acquire()
    bench.clock.advance(2)
    await bench.lease().acquire()

    assert await bench.epochs() == 2


async def test_a_driver_of_this_machine_is_dead_with_its_process(bench: Bench) -> None:
    await bench.lease(DEAD_HERE).acquire()

    await bench.lease().acquire()

    assert await bench.epochs() == 2


async def test_a_living_process_of_this_machine_is_left_alone_however_silent(bench: Bench) -> None:
    await bench.lease(replace(HERE, id="other")).acquire()
    bench.clock.advance(10 * STALE_S)

    with pytest.raises(RunIsElsewhere):
        await bench.lease().acquire()


async def test_a_driver_that_was_thought_dead_stops_at_its_next_sign_of_life(bench: Bench) -> None:
    slow = bench.lease(FAR)
    await slow.acquire()
    bench.clock.advance(STALE_S + 1)
    await bench.lease().acquire()

    with pytest.raises(RunIsElsewhere, match="taken it over"):
        await slow.renew()


async def test_what_a_driver_that_lost_a_run_gives_back_is_its_own_lease(bench: Bench) -> None:
    slow = bench.lease(FAR)
    await slow.acquire()
    bench.clock.advance(STALE_S + 1)
    quick = bench.lease(replace(FAR, id="quick"))
    await quick.acquire()

    await slow.release()

    with pytest.raises(RunIsElsewhere):
        await bench.lease().acquire()
    await quick.renew()


async def test_of_many_that_take_over_at_once_one_does(bench: Bench) -> None:
    await bench.lease(DEAD_HERE).acquire()
    won: list[int] = []

    async def take(number: int) -> None:
        try:
            await bench.lease(replace(FAR, id=f"machine {number}")).acquire()
        except RunIsElsewhere:
            return
        won.append(number)

    bench.clock.advance(STALE_S + 1)
    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(take, number)

    assert len(won) == 1


async def test_a_lease_that_is_no_lease_holds_nobody_back(bench: Bench) -> None:
    await bench.objects.put_new(lease_key(7, 1), b"nonsense")

    await bench.lease().acquire()

    assert await bench.epochs() == 2
