"""What every platform of jobs must do. A platform joins by a class that derives from `PlatformSuite` and has a `bench`.

    from asyncflow.testing.platform_suite import PlatformBench, PlatformSuite

    class TestMine(PlatformSuite):
        @pytest.fixture
        def bench(self, tmp_path: Path) -> PlatformBench:
            return PlatformBench(provider=PROVIDER, scratch=tmp_path, refusable=with_a_queue_that_is_not_there)

The tests are coroutines: run them with pytest-asyncio (`asyncio_mode = "auto"`) or anyio's plugin. They start real
jobs, which judge for themselves: by exit code, and by lines in a directory that they share with the tests.
"""

from __future__ import annotations

import anyio
import pytest

from asyncflow.backends.remote.platform import End, Phase
from asyncflow.backends.remote.platform import EndReason as Reason
from asyncflow.errors import PlatformError
from asyncflow.flow.decorators.base import StepDecorator
from asyncflow.machine.ids import Attempt
from asyncflow.records import replace
from asyncflow.testing.platform_bench import OWN_INDEX, PlatformBench, Site, with_environment

__all__ = ["PlatformBench", "PlatformSuite", "Site"]

COUNT = 'echo ran >> "$SCRATCH/count"; '
"""Leaves a line each time that a job runs."""
BEAT = 'echo ready; while :; do echo beat >> "$SCRATCH/beats"; sleep 0.1; done'
"""Runs until it is ended, and can be seen to."""
STUBBORN = "trap '' TERM INT HUP; " + BEAT
POLITE = (
    """trap 'echo asked >> "$SCRATCH/asked"; exit 0' TERM; """
    'echo ready >> "$SCRATCH/ready"; while :; do sleep 0.1; done'
)
ODD = "  a  'b' \"c\" $(HOME) ${HOME} `id` Ref::x \\n * é\t| ; & % #"
"""Means something to every language that a command may be wrapped in on its way."""
MANY_BEATS = 3
_QUIET_S = 1.0
"""Ten times as long as a beat takes."""


class PlatformSuite:
    """The tests. `bench` is given by the class of each platform."""

    # A job is carried out as asked

    async def test_a_job_runs_once_and_ends_well(self, bench: PlatformBench) -> None:
        """Its end is told with exit code 0."""
        async with bench.open() as site:
            end = await site.run(bench.job(COUNT))
        assert (end.reason, end.exit_code) == (Reason.SUCCEEDED, 0)
        assert bench.lines("count") == ["ran"]

    async def test_arguments_reach_the_command_unchanged(self, bench: PlatformBench) -> None:
        """Whatever shells, templates and substitutions lie on the way."""
        script = 'printf "%s\\n" "$1" >> "$SCRATCH/given"; [ "$#" = 2 ] && [ -z "$2" ]'
        async with bench.open() as site:
            end = await site.run(bench.job(script, ODD, ""))
        assert bench.lines("given") == [ODD]
        assert end.reason is Reason.SUCCEEDED, end

    async def test_the_environment_reaches_the_command_unchanged(self, bench: PlatformBench) -> None:
        """Several lines in one variable included."""
        job = with_environment(bench.job('printf "%s" "$ODD" >> "$SCRATCH/given"'), ODD=f"{ODD}\nsecond line")
        async with bench.open() as site:
            await site.run(job)
        assert bench.lines("given") == [ODD, "second line"]

    async def test_jobs_that_follow_each_other_and_others_each_see_their_own_index(
        self, bench: PlatformBench
    ) -> None:
        """Arrays or not: the index comes by the variables that workers read."""
        indexes = [*range(3, 3 + bench.width), 40, 50, 51]
        jobs = bench.jobs(OWN_INDEX + "exit $((index + 1))", indexes)
        async with bench.open() as site:
            assert list(await site.submit(*jobs)) == []
            ends = await site.until_ended(*(job.attempt for job in jobs))
        assert [end.exit_code for end in ends] == [index + 1 for index in indexes]

    async def test_attempts_of_one_task_are_told_apart(self, bench: PlatformBench) -> None:
        """A later one is a job of its own, of another size if it asks for that."""
        async with bench.open() as site:
            first = await site.run(bench.job("exit 3"))
            second = await site.run(bench.job("exit 0", number=1))
        assert (first.exit_code, second.exit_code) == (3, 0)

    # How a job ended

    async def test_an_exit_code_is_told(self, bench: PlatformBench) -> None:
        """As the step's failure, not the platform's."""
        async with bench.open() as site:
            end = await site.run(bench.job("exit 3"))
        assert (end.reason, end.exit_code) == (Reason.FAILED, 3)
        assert not end.reason.is_our_fault

    async def test_a_signal_is_told(self, bench: PlatformBench) -> None:
        """Negative, or as shells write it where a container's first process cannot be killed from within."""
        async with bench.open() as site:
            end = await site.run(bench.job("kill -9 $$; exit 137"))
        assert end.reason is Reason.FAILED
        assert end.exit_code in (-9, 137)

    async def test_a_job_ends_when_its_time_is_up(self, bench: PlatformBench) -> None:
        """With everything it has started."""
        job = replace(bench.job(BEAT), timeout_s=bench.timeout_s)
        async with bench.open() as site:
            end = await site.run(job)
            assert end.reason is Reason.TIMED_OUT
            await _assert_gone(bench)

    async def test_a_refused_job_is_told_and_the_others_run(self, bench: PlatformBench) -> None:
        """With a reason in words; it is not a job that ended."""
        job = bench.refusable(bench.job("exit 0", task=2))
        async with bench.open() as site:
            (refused,) = await site.submit(job)
            end = await site.run(bench.job("exit 0"))
        assert refused.attempt == job.attempt
        assert refused.reason in (Reason.UNSCHEDULABLE, Reason.IMAGE)
        assert refused.message
        assert end.reason is Reason.SUCCEEDED

    async def test_what_is_told_goes_forward_only(self, bench: PlatformBench) -> None:
        """Pending, running, ended; phases may be missed, and told twice."""
        async with bench.open() as site:
            await site.run(bench.job("sleep 0.5"))
        phases = [seen.phase for seen in site.told]
        order = [Phase.PENDING, Phase.RUNNING, Phase.ENDED]
        assert [order.index(phase) for phase in phases] == sorted(order.index(phase) for phase in phases)
        assert all((seen.end is not None) == (seen.phase is Phase.ENDED) for seen in site.told)

    # Ending jobs

    async def test_a_job_that_is_asked_to_end_may_do_so_by_itself(self, bench: PlatformBench) -> None:
        """It gets SIGTERM, and time."""
        async with bench.open() as site:
            job = bench.job(POLITE)
            await site.submit(job)
            await site.until_written("ready")
            await site.stop(job.attempt, force=False)
            (end,) = await site.until_ended(job.attempt)
        assert bench.lines("asked") == ["asked"]
        assert end.reason in (Reason.STOPPED, Reason.SUCCEEDED)

    async def test_a_stopped_job_is_told_as_stopped(self, bench: PlatformBench) -> None:
        """Not as failed: we know that we did it."""
        async with bench.open() as site:
            end = await self._stopped(bench, site, BEAT, force=False)
            assert end.reason is Reason.STOPPED
            await _assert_gone(bench)

    async def test_force_ends_a_job_that_ignores_being_asked(self, bench: PlatformBench) -> None:
        """At once, and with what it has started."""
        async with bench.open() as site:
            job = bench.job(f"({STUBBORN}) & {STUBBORN}")
            await site.submit(job)
            await site.until_written("beats")
            await site.stop(job.attempt, force=False)
            await site.stop(job.attempt, force=True)
            (end,) = await site.until_ended(job.attempt)
            assert end.reason is Reason.STOPPED
            await _assert_gone(bench)

    async def test_stopping_one_job_leaves_the_others_alone(self, bench: PlatformBench) -> None:
        """Also where both are of one array."""
        stopped, other = bench.jobs(
            OWN_INDEX
            + "if [ $index = 1 ]; then while [ ! -e $SCRATCH/go ]; do sleep 0.1; done; exit 5; fi; "
            + BEAT,
            [0, 1],
        )
        async with bench.open() as site:
            await site.submit(stopped, other)
            await site.until_running(stopped.attempt, other.attempt)
            await site.stop(stopped.attempt, force=True)
            await site.until_ended(stopped.attempt)
            (bench.scratch / "go").touch()
            ends = await site.until_ended(stopped.attempt, other.attempt)
        assert [end.reason for end in ends] == [Reason.STOPPED, Reason.FAILED]
        assert ends[1].exit_code == 5

    async def test_a_job_that_is_stopped_at_once_still_ends(self, bench: PlatformBench) -> None:
        """Whether it has begun by then or not."""
        async with bench.open() as site:
            job = bench.job(BEAT)
            await site.submit(job)
            await site.stop(job.attempt, force=True)
            (end,) = await site.until_ended(job.attempt)
        assert end.reason is Reason.STOPPED

    async def test_stopping_unknown_and_ended_jobs_is_no_error(self, bench: PlatformBench) -> None:
        """And changes nothing."""
        async with bench.open() as site:
            await site.stop(Attempt(99, 0), force=True)
            job = bench.job("exit 0")
            await site.run(job)
            await site.stop(job.attempt, force=False)
            await site.stop(job.attempt, Attempt(98, 1), force=True)
            end = await site.run(bench.job("exit 0", task=2))
        assert end.reason is Reason.SUCCEEDED

    # Twice is once

    async def test_a_submit_repeated_changes_nothing(self, bench: PlatformBench) -> None:
        """While the job is there, and when it has ended."""
        job = bench.job(COUNT + 'while [ ! -e "$SCRATCH/go" ]; do sleep 0.1; done')
        async with bench.open() as site:
            await site.submit(job)
            await site.submit(job)
            await site.until_running(job.attempt)
            await site.submit(job)
            (bench.scratch / "go").touch()
            await site.until_ended(job.attempt)
            await site.submit(job)
            last = await site.run(bench.job("exit 0", task=2))
            assert len(await bench.provider.jobs(bench.context())) <= 2
        assert bench.lines("count") == ["ran"]
        assert last.reason is Reason.SUCCEEDED

    async def test_a_submit_repeated_with_more_jobs_adds_only_those(self, bench: PlatformBench) -> None:
        """An array that was asked for is not asked for again because it has grown."""
        jobs = bench.jobs(OWN_INDEX + 'echo $index >> "$SCRATCH/indexes"', range(bench.width + 2))
        async with bench.open() as site:
            await site.submit(*jobs[1:-1])
            await site.submit(*jobs)
            await site.until_ended(*(job.attempt for job in jobs))
        assert sorted(map(int, bench.lines("indexes"))) == list(range(bench.width + 2))

    async def test_a_submit_whose_answer_was_lost_with_its_scheduler_changes_nothing(
        self, bench: PlatformBench
    ) -> None:
        """The next scheduler does not know whether it was asked, and asks."""
        jobs = bench.jobs(COUNT + 'while [ ! -e "$SCRATCH/go" ]; do sleep 0.1; done', range(bench.width))
        async with bench.open() as dead, bench.open() as site:
            await dead.submit(*jobs)
            await site.submit(*jobs)
            (bench.scratch / "go").touch()
            ends = await site.until_ended(*(job.attempt for job in jobs))
        assert {end.reason for end in ends} == {Reason.SUCCEEDED}
        assert bench.lines("count") == ["ran"] * bench.width

    # After a restart

    async def test_the_next_scheduler_finds_what_runs_and_what_has_ended(self, bench: PlatformBench) -> None:
        """And hears of their ends; what never was is not told."""
        over = bench.job("exit 3", task=1)
        more = [
            replace(job, attempt=Attempt(job.attempt.task + 1, 0), name=f"{job.name}-more")
            for job in bench.jobs(
                OWN_INDEX + 'while [ ! -e "$SCRATCH/go" ]; do sleep 0.1; done; exit $index', [7, 8]
            )
        ]
        asked = [job.attempt for job in (over, *more)]
        async with bench.open() as dead, bench.open() as site:
            await dead.run(over)
            await dead.submit(*more)
            await dead.until_running(*asked[1:])
            found = await site.platform.find([*asked, Attempt(50, 0), Attempt(1, 4)])
            assert {seen.attempt: seen.phase for seen in found} == {
                asked[0]: Phase.ENDED,
                asked[1]: Phase.RUNNING,
                asked[2]: Phase.RUNNING,
            }
            (bench.scratch / "go").touch()
            ends = await site.until_ended(*asked)
        assert [end.exit_code for end in ends] == [3, 7, 8]

    async def test_the_next_scheduler_can_stop_what_it_has_found(self, bench: PlatformBench) -> None:
        """The end is told as ours."""
        job = bench.job(BEAT)
        async with bench.open() as dead, bench.open() as site:
            await dead.submit(job)
            await dead.until_running(job.attempt)
            await site.platform.find([job.attempt])
            await site.stop(job.attempt, force=True)
            (end,) = await site.until_ended(job.attempt)
            assert end.reason is Reason.STOPPED
            await _assert_gone(bench)

    async def test_jobs_of_other_runs_are_not_found(self, bench: PlatformBench) -> None:
        """Attempts are numbered per run."""
        job = bench.job(BEAT)
        async with bench.open() as site, bench.open(run=bench.run + 1) as other:
            await site.submit(job)
            await site.until_running(job.attempt)
            assert list(await other.platform.find([job.attempt])) == []

    # Nothing is left behind

    async def test_closing_ends_what_runs(self, bench: PlatformBench) -> None:
        """And ends `changes`; once closed, nothing starts."""
        job = bench.job(BEAT)
        async with bench.open() as site:
            await site.submit(job)
            await site.until_written("beats", lines=MANY_BEATS)
            with anyio.fail_after(bench.longest_s):
                await site.platform.aclose()
                await _assert_gone(bench)
                await site.platform.aclose()
            await site.until_over()
            with pytest.raises(PlatformError):
                await site.submit(bench.job("exit 0", task=2))
            assert [ref for ref in await bench.provider.jobs(bench.context()) if not ref.is_over] == []

    async def test_leaving_ends_what_runs(self, bench: PlatformBench) -> None:
        """Whoever opens a platform need not close it, too."""
        async with bench.open() as site:
            await site.submit(bench.job(BEAT))
            await site.until_written("beats", lines=MANY_BEATS)
        await _assert_gone(bench)

    async def test_what_runs_when_one_detaches_is_the_next_schedulers(self, bench: PlatformBench) -> None:
        """A scheduler whose run another one has taken over ends nothing."""
        job = bench.job(BEAT)
        async with bench.open() as site:
            await site.submit(job)
            await site.until_running(job.attempt)
            site.platform.detach()
        beats = len(bench.lines("beats"))
        async with bench.open() as site:
            (found,) = await site.platform.find([job.attempt])
            await site.until_written("beats", lines=beats + MANY_BEATS)
            await site.stop(job.attempt, force=True)
            await site.until_ended(job.attempt)
        assert found.phase is Phase.RUNNING

    async def test_jobs_are_listed_and_removed(self, bench: PlatformBench) -> None:
        """Those of the owner, or of one run; a removed one is gone for everybody."""
        first, other = bench.job(BEAT), replace(bench.job(BEAT, task=2), run=bench.run + 1)
        async with bench.open() as site, bench.open(run=bench.run + 1) as elsewhere:
            await site.submit(first)
            await elsewhere.submit(replace(other, name=f"{other.name}-other"))
            await site.until_running(first.attempt)
            await elsewhere.until_running(other.attempt)
            with anyio.fail_after(bench.longest_s):
                all_of_owner = await bench.provider.jobs(bench.context(run=None))
                (ref,) = await bench.provider.jobs(bench.context())
                assert (ref.run, ref.attempt, ref.is_over) == (bench.run, first.attempt, False)
                assert sorted((each.run, each.attempt) for each in all_of_owner) == [
                    (bench.run, first.attempt),
                    (bench.run + 1, other.attempt),
                ]
                assert ref.created_at > 0
                everything = bench.context(run=None)
                await bench.provider.remove(everything, [each.id for each in all_of_owner])
                await bench.provider.remove(bench.context(), [ref.id])
                left = await bench.provider.jobs(bench.context(run=None))
            assert [each for each in left if not each.is_over] == []
            await _assert_gone(bench)

    async def test_another_store_s_jobs_are_not_listed(self, bench: PlatformBench) -> None:
        """Its runs have the same ids."""
        async with bench.open() as site:
            await site.submit(bench.job(BEAT))
            stranger = replace(bench, owner=bench.owner[::-1] + "0")
            assert list(await bench.provider.jobs(stranger.context())) == []
            assert list(await bench.provider.jobs(stranger.context(run=None))) == []

    # What is said about the platform

    async def test_the_provider_says_what_it_is(self, bench: PlatformBench) -> None:
        """Its decorator is a step decorator that bears its name."""
        decorator = bench.provider.decorator
        assert issubclass(decorator, StepDecorator)
        assert decorator.name == bench.provider.name
        assert bench.provider.runtime_environment
        bench.provider.check(bench.context().steps, bench.settings)
        async with bench.open() as site:
            capabilities = site.platform.capabilities
        assert capabilities.name == bench.provider.name
        assert capabilities.shares_filesystem == bench.provider.shares_filesystem
        assert capabilities.most_at_once > 0

    async def test_looking_around_finds_everything_in_order(self, bench: PlatformBench) -> None:
        """`doctor` asks without a run."""
        with anyio.fail_after(bench.longest_s):
            findings = await bench.provider.examine(bench.context(run=None))
        assert findings
        assert [finding for finding in findings if not finding.is_ok] == []

    async def _stopped(self, bench: PlatformBench, site: Site, script: str, *, force: bool) -> End:
        job = bench.job(script)
        await site.submit(job)
        await site.until_written("beats", lines=MANY_BEATS)
        await site.stop(job.attempt, force=force)
        (end,) = await site.until_ended(job.attempt)
        return end


async def _assert_gone(bench: PlatformBench) -> None:
    """See that no process of the jobs is left: the lines they leave end."""
    with anyio.fail_after(bench.longest_s):
        while True:
            before = bench.lines("beats")
            await anyio.sleep(_QUIET_S)
            if bench.lines("beats") == before:
                return
