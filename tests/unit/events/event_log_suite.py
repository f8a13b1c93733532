"""What every `EventLog` keeps. A test module subclasses the suite and gives it logs by the fixture `opened`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import anyio
import anyio.lowlevel
import pytest

from asyncflow.errors import RunIsElsewhere
from asyncflow.events.protocol import EventLog
from asyncflow.machine.events import Event
from tests.unit.events.stories import ONE_OF_EACH, ignored, launched, run_created, task_created

OpenLog = Callable[[], AbstractAsyncContextManager[EventLog]]
"""Gives a context that opens a new, empty log and closes it, in one task."""

FIRST: list[Event] = [run_created(), task_created(1), launched(1)]


class EventLogSuite:
    """Subclass it, name the class `Test...`, define the fixture `opened`."""

    async def test_what_is_appended_is_read_back_in_order(self, opened: OpenLog) -> None:
        async with opened() as log:
            assert await log.append(1, FIRST, expected_seq=0) == 3
            assert await log.append(1, [ignored("a"), ignored("b")], expected_seq=3) == 5

            assert await log.read(1) == [*FIRST, ignored("a"), ignored("b")]

    async def test_an_event_of_every_kind_is_read_back_equal(self, opened: OpenLog) -> None:
        async with opened() as log:
            for seq, event in enumerate(ONE_OF_EACH):
                await log.append(1, [event], expected_seq=seq)

            assert await log.read(1) == list(ONE_OF_EACH)

    async def test_an_unknown_run_has_no_events(self, opened: OpenLog) -> None:
        async with opened() as log:
            assert await log.read(77) == []
            assert await log.read(77, after=5) == []

    @pytest.mark.parametrize("after", [0, 1, 2, 3, 4, 5, 6, 99])
    async def test_reading_begins_with_the_number_asked_for(self, opened: OpenLog, after: int) -> None:
        async with opened() as log:
            events = [*FIRST, ignored("a"), ignored("b"), ignored("c")]
            await log.append(1, events[:2], expected_seq=0)
            await log.append(1, events[2:5], expected_seq=2)
            await log.append(1, events[5:], expected_seq=5)

            assert await log.read(1, after=after) == events[after:]

    @pytest.mark.parametrize("expected_seq", [0, 1, 2, 4, 100])
    async def test_a_driver_that_missed_something_is_refused(
        self, opened: OpenLog, expected_seq: int
    ) -> None:
        async with opened() as log:
            await log.append(1, FIRST, expected_seq=0)

            with pytest.raises(RunIsElsewhere, match=r"[Rr]un 1"):
                await log.append(1, [ignored("stray")], expected_seq=expected_seq)

            assert await log.read(1) == FIRST

    async def test_after_a_refusal_the_rightful_driver_goes_on(self, opened: OpenLog) -> None:
        async with opened() as log:
            await log.append(1, FIRST, expected_seq=0)
            with pytest.raises(RunIsElsewhere):
                await log.append(1, [ignored("stray")], expected_seq=1)

            assert await log.append(1, [ignored("mine")], expected_seq=3) == 4

    async def test_an_empty_append_records_nothing_and_is_fenced(self, opened: OpenLog) -> None:
        async with opened() as log:
            await log.append(1, FIRST, expected_seq=0)

            assert await log.append(1, [], expected_seq=3) == 3
            with pytest.raises(RunIsElsewhere):
                await log.append(1, [], expected_seq=2)
            assert await log.read(1) == FIRST

    async def test_runs_do_not_meet(self, opened: OpenLog) -> None:
        async with opened() as log:
            await log.append(1, FIRST, expected_seq=0)
            await log.append(2, [run_created(2)], expected_seq=0)
            await log.append(1, [ignored()], expected_seq=3)

            assert await log.read(2) == [run_created(2)]
            assert len(await log.read(1)) == 4

    async def test_many_runs_append_at_once(self, opened: OpenLog) -> None:
        async with opened() as log:

            async def drive(run: int) -> None:
                seq = await log.append(run, [run_created(run)], expected_seq=0)
                for number in range(20):
                    seq = await log.append(run, [ignored(str(number))], expected_seq=seq)

            async with anyio.create_task_group() as drivers:
                for run in range(1, 21):
                    drivers.start_soon(drive, run)

            for run in range(1, 21):
                events = await log.read(run)
                assert events == [run_created(run), *(ignored(str(number)) for number in range(20))]

    async def test_of_two_drivers_at_the_same_number_exactly_one_wins(self, opened: OpenLog) -> None:
        async with opened() as log:
            await log.append(1, FIRST, expected_seq=0)
            outcomes: list[str] = []

            async def drive(name: str) -> None:
                try:
                    await log.append(1, [ignored(name), ignored(name)], expected_seq=3)
                    outcomes.append(name)
                except RunIsElsewhere:
                    outcomes.append("refused")

            async with anyio.create_task_group() as drivers:
                for name in "abcdef":
                    drivers.start_soon(drive, name)

            winners = [name for name in outcomes if name != "refused"]
            assert len(winners) == 1
            assert (await log.read(1, after=3)) == [ignored(winners[0])] * 2

    async def test_a_cancelled_append_is_recorded_whole_or_not_at_all(self, opened: OpenLog) -> None:
        async with opened() as log:
            await log.append(1, FIRST, expected_seq=0)
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: log.append(1, [ignored("x")] * 3, expected_seq=3))
                await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()

            events = await log.read(1)
            assert len(events) in (3, 6)
            assert await log.append(1, [ignored("next")], expected_seq=len(events)) == len(events) + 1
