"""A subscriber hears everything or is told what it missed; the publisher never waits."""

from __future__ import annotations

import anyio
import pytest

from asyncflow.events.bus import Batch, Bus, Lagged, Message, Subscription
from asyncflow.events.notices import LogLines
from asyncflow.machine.ids import Attempt
from tests.unit.events.stories import ignored


def lines(text: bytes) -> LogLines:
    return LogLines(run=1, attempt=Attempt(1, 0), step="a", pid=9, stream="stdout", text=text)


def batch(seq: int, count: int = 1, run: int = 1) -> Batch:
    return Batch(run=run, seq=seq, events=tuple(ignored(str(seq + place)) for place in range(count)))


def publish(bus: Bus, seq: int, count: int = 1, run: int = 1) -> None:
    bus.publish(run, seq, batch(seq, count, run).events)


async def drain(subscription: Subscription) -> list[Message]:
    return [message async for message in subscription]


async def test_every_subscriber_hears_events_and_notices_in_order() -> None:
    bus = Bus()
    with bus.subscribe() as one, bus.subscribe() as other:
        publish(bus, 0, 2)
        bus.notify(lines(b"hello\n"))
        publish(bus, 2)
        bus.close()

        for subscription in (one, other):
            assert await drain(subscription) == [batch(0, 2), lines(b"hello\n"), batch(2)]


async def test_a_subscriber_hears_nothing_from_before_and_after() -> None:
    bus = Bus()
    publish(bus, 0)
    with bus.subscribe() as subscription:
        publish(bus, 1)
    publish(bus, 2)
    bus.close()

    assert await drain(subscription_closed(subscription)) == [batch(1)]


def subscription_closed(subscription: Subscription) -> Subscription:
    subscription.close()
    return subscription


async def test_a_slow_subscriber_is_told_where_to_read_on() -> None:
    bus = Bus()
    with bus.subscribe(capacity=3) as slow, bus.subscribe() as quick:
        for seq in range(10):
            publish(bus, seq)
        assert [slow.take_nowait() for _ in range(4)] == [
            batch(0),
            batch(1),
            batch(2),
            Lagged(run=1, from_seq=3),
        ]
        publish(bus, 10)
        bus.close()

        assert await drain(slow) == [batch(10)]
        assert await drain(quick) == [batch(seq) for seq in range(11)]


async def test_while_it_lags_nothing_later_slips_in_between() -> None:
    bus = Bus()
    with bus.subscribe(capacity=2) as slow:
        for seq in range(3):
            publish(bus, seq)
        slow.take_nowait()  # there is room again, and the gap has not been told yet
        publish(bus, 3)

        assert [slow.take_nowait() for _ in range(3)] == [batch(1), Lagged(run=1, from_seq=2), None]


async def test_each_run_lags_for_itself() -> None:
    bus = Bus()
    with bus.subscribe(capacity=1) as slow:
        publish(bus, 0, run=1)
        publish(bus, 5, run=2)
        publish(bus, 1, run=1)

        heard = [slow.take_nowait() for _ in range(4)]

    assert heard == [batch(0), Lagged(run=2, from_seq=5), Lagged(run=1, from_seq=1), None]


async def test_lost_notices_are_counted() -> None:
    bus = Bus()
    with bus.subscribe(capacity=2) as slow:
        for number in range(5):
            bus.notify(lines(b"%d\n" % number))

        heard = [slow.take_nowait() for _ in range(4)]

    assert heard == [lines(b"0\n"), lines(b"1\n"), Lagged(run=0, from_seq=None, lost_notices=3), None]


async def test_a_batch_larger_than_the_queue_is_heard() -> None:
    bus = Bus()
    with bus.subscribe(capacity=2) as subscription:
        publish(bus, 0, 50)

        assert subscription.take_nowait() == batch(0, 50)


async def test_a_waiting_subscriber_wakes() -> None:
    bus = Bus()
    heard: list[Message] = []

    async def listen(subscription: Subscription) -> None:
        heard.append(await anext(subscription))

    with bus.subscribe() as subscription:
        async with anyio.create_task_group() as group:
            group.start_soon(listen, subscription)
            await anyio.wait_all_tasks_blocked()
            publish(bus, 0)

    assert heard == [batch(0)]


async def test_a_cancelled_wait_loses_nothing() -> None:
    bus = Bus()
    with bus.subscribe() as subscription:
        with anyio.move_on_after(0):
            await anext(subscription)
        publish(bus, 0)

        assert await anext(subscription) == batch(0)


async def test_a_closed_bus_ends_new_subscriptions_too() -> None:
    bus = Bus()
    bus.close()
    with bus.subscribe() as subscription:
        assert await drain(subscription) == []
        with pytest.raises(StopAsyncIteration):
            await anext(subscription)
