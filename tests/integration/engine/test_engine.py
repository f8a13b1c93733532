"""An engine inside a program: what it gives, and that it leaves nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import psutil
import pytest

from asyncflow import Engine
from asyncflow.engine import RunCancelled, RunFailed, RunStopped
from asyncflow.engine.planning import EngineError
from asyncflow.errors import PlatformError, RunIsElsewhere, StoreError, UserError
from asyncflow.machine.events import RunCreated, RunFinished, RunStatus
from tests.children import children

FLOWS = Path(__file__).parent / "flows" / "shapes.py"
WIDE = f"{FLOWS}:WideFlow"
SLOW = f"{FLOWS}:SlowFlow"
FAILING = f"{FLOWS}:FailingFlow"
COUNTING = f"{FLOWS}:CountingFlow"


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No process and no thread of ours outlives an engine; idle threads of anyio's pool are the program's."""
    threads = set(_threads())
    yield
    assert children(recursive=True) == []
    assert set(_threads()) <= threads


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if not thread.name.startswith("AnyIO worker")]


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with Engine(tmp_path / "store", max_workers=4, stop_grace_s=2.0) as engine:
        yield engine


async def test_a_run_is_started_awaited_and_its_artifacts_are_read(engine: Engine) -> None:
    run = await engine.start(WIDE, {"width": 4}, tags=["nightly"])
    assert run.pathspec == "WideFlow/1"
    assert engine.runs() == [run]
    assert await run.wait() is RunStatus.SUCCEEDED
    result = await run.result()
    assert result.total == 0 + 1 + 4 + 9
    assert result["total"] == 14
    assert "total" in result
    assert "total" in list(result)
    with pytest.raises(AttributeError, match="no artifact 'missing'"):
        _ = result.missing
    assert engine.runs() == []


async def test_events_come_once_in_order_live_and_replayed(engine: Engine) -> None:
    run = await engine.start(WIDE)
    live = [event async for event in run.events()]
    assert [event.seq for event in live] == list(range(len(live)))
    assert isinstance(live[0].event, RunCreated)
    assert isinstance(live[-1].event, RunFinished)
    replayed = [event async for event in run.events()]
    assert [event.to_dict() for event in replayed] == [event.to_dict() for event in live]
    rest = [event.seq async for event in run.events(after=5)]
    assert rest == list(range(5, len(live)))


async def test_a_slow_listener_is_told_that_it_lagged_and_misses_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncflow.engine.handle._QUEUE", 3)
    run = await engine.start(WIDE, {"width": 30, "pause": 0.01})
    seen = []
    async for event in run.events():
        seen.append(event)
        if len(seen) == 40:
            await run.wait()  # the rest happens while this listener does not listen
    assert [event.seq for event in seen] == list(range(len(seen)))
    assert isinstance(seen[-1].event, RunFinished)
    assert any(event.has_lagged for event in seen)


async def test_what_tasks_print_is_told_live(engine: Engine) -> None:
    run = await engine.start(SLOW, {"seconds": "0.2"})
    assert [text async for text in run.logs()] == []
    run = await engine.start(WIDE)
    texts = [text async for text in run.logs()]
    assert [(text.step, text.stream, text.text) for text in texts] == [
        ("start", "stdout", b"hello from start\n")
    ]


async def test_a_failed_run_says_which_step_and_why_and_can_be_resumed(
    engine: Engine, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    run = await engine.start(FAILING, {"marker": str(marker)})
    assert await run.wait() is RunStatus.FAILED
    with pytest.raises(RunFailed, match=r"step end \(task 2\): ValueError: the marker is missing"):
        await run.result()
    marker.touch()
    again = await engine.resume(run.id)
    assert again.id != run.id
    assert (await again.result()).x == 1
    kinds = [event.kind async for event in again.events()]
    assert kinds.count("TaskCloned") == 1


async def test_a_run_is_cancelled(engine: Engine) -> None:
    run = await engine.start(SLOW)
    await run.cancel()
    assert run.status is RunStatus.CANCELLED
    with pytest.raises(RunCancelled):
        await run.result()


async def test_cancelling_who_waits_leaves_the_run_alone(engine: Engine) -> None:
    run = await engine.start(SLOW, {"seconds": 0.5})
    with anyio.move_on_after(0.05) as scope:
        await run.wait()
    assert scope.cancelled_caught
    assert await run.wait() is RunStatus.SUCCEEDED


async def test_all_runs_share_the_slots(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with Engine(tmp_path / "store", max_workers=3) as engine:
        runs = [await engine.start(COUNTING, {"log": str(log), "width": 6}) for _ in range(4)]
        for run in runs:
            assert await run.wait() is RunStatus.SUCCEEDED
    running = highest = 0
    for line in log.read_text().split():
        running += 1 if line == "+" else -1
        highest = max(highest, running)
    assert running == 0
    assert highest == 3


async def test_a_run_that_waits_for_a_slot_can_be_cancelled(tmp_path: Path) -> None:
    async with Engine(tmp_path / "store", max_workers=1, stop_grace_s=2) as engine:
        busy = await engine.start(SLOW)
        async for event in busy.events():
            if event.kind == "AttemptStarted":
                break
        waiting = await engine.start(WIDE)
        async for event in waiting.events():
            if event.kind == "AttemptLaunched":
                break
        await waiting.cancel()
        assert waiting.status is RunStatus.CANCELLED
        assert busy.status is None
        await busy.cancel(force=True)
        after = await engine.start(WIDE)
        assert await after.wait() is RunStatus.SUCCEEDED


async def test_leaving_the_engine_cancels_what_runs(tmp_path: Path) -> None:
    async with Engine(tmp_path / "store", stop_grace_s=2) as engine:
        run = await engine.start(SLOW)
    assert run.status is RunStatus.CANCELLED


async def test_an_engine_whose_block_is_cancelled_leaves_cleanly_and_its_run_can_be_resumed(
    tmp_path: Path,
) -> None:
    with anyio.CancelScope() as scope:
        async with Engine(tmp_path / "store", stop_grace_s=2) as engine:
            run = await engine.start(SLOW, {"seconds": 3600})
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert run.is_over
    async with Engine(tmp_path / "store") as engine:
        again = await engine.resume(run.id)
        await again.cancel(force=True)


async def test_an_exception_in_the_block_passes_through(tmp_path: Path) -> None:
    async def use() -> None:
        async with Engine(tmp_path / "store", stop_grace_s=2) as engine:
            await engine.start(SLOW)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await use()


async def test_a_task_that_ignores_being_asked_is_killed_when_the_grace_is_over(tmp_path: Path) -> None:
    flow = tmp_path / "deaf.py"
    flow.write_text(
        "import signal, time\nfrom asyncflow import FlowSpec, step\n\n\n"
        "class DeafFlow(FlowSpec):\n    @step\n    def start(self):\n"
        "        signal.signal(signal.SIGTERM, signal.SIG_IGN)\n        time.sleep(600)\n"
        "        self.next(self.end)\n\n"
        "    @step\n    def end(self):\n        pass\n"
    )
    async with Engine(tmp_path / "store", stop_grace_s=0.3) as engine:
        run = await engine.start(flow)
        async for event in run.events():
            if event.kind == "AttemptStarted":
                break
        await run.cancel()
        assert run.status is RunStatus.CANCELLED


async def test_a_zygote_that_is_killed_is_replaced_and_the_run_succeeds(engine: Engine) -> None:
    run = await engine.start(WIDE, {"width": 6, "pause": 0.1})
    async for event in run.events():
        if event.kind == "AttemptStarted" and event.event.task > 1:  # type: ignore[union-attr]
            break
    (stem,) = children()
    (zygote,) = stem.children()
    zygote.kill()
    assert (await run.result()).total == 55


async def test_a_stem_that_is_killed_hurts_no_run_and_is_replaced(engine: Engine) -> None:
    run = await engine.start(WIDE, {"width": 6, "pause": 0.1})
    async for event in run.events():
        if event.kind == "AttemptStarted":
            break
    (stem,) = children()
    stem.kill()
    other = await engine.start(WIDE)
    assert (await run.result()).total == 55
    assert (await other.result()).total == 30


async def test_what_is_wrong_is_said_before_anything_runs(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no parameter 'widht'"):
        await engine.start(WIDE, {"widht": 3})
    with pytest.raises(UserError, match="defines several flows"):
        await engine.start(FLOWS)
    with pytest.raises(UserError, match="is less than 1"):
        await engine.start(WIDE, max_workers=0)
    with pytest.raises(UserError, match="one text"):
        await engine.start(WIDE, tags="nightly")
    with pytest.raises(UserError, match="There is no run 77"):
        await engine.resume(77)
    with pytest.raises(UserError, match="less than 1"):
        Engine(max_workers=0)
    assert engine.runs() == []


async def test_a_flow_that_is_in_no_file_is_refused_in_words(engine: Engine) -> None:
    from asyncflow import FlowSpec, step

    def start(self: FlowSpec) -> None: ...

    flow = type("CellFlow", (FlowSpec,), {"start": step(start), "__module__": "__nowhere__"})
    with pytest.raises(EngineError, match="not defined in a file"):
        await engine.start(flow)


async def test_a_run_that_another_process_drives_is_not_resumed(engine: Engine) -> None:
    run = await engine.start(SLOW)
    with pytest.raises(RunIsElsewhere):
        await engine.resume(run.id)
    await run.cancel(force=True)


async def test_a_flow_that_cannot_be_imported_in_a_fresh_process_is_told(
    engine: Engine, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    flow = tmp_path / "once.py"
    flow.write_text(
        "import os\nfrom asyncflow import FlowSpec, step\n\n"
        f"if os.getpid() != {os.getpid()}:\n    raise RuntimeError('not here')\n\n\n"
        "class OnceFlow(FlowSpec):\n    @step\n    def start(self):\n        self.next(self.end)\n\n"
        "    @step\n    def end(self):\n        pass\n"
    )
    with pytest.raises(PlatformError, match="ended while it imported the flow"):
        await engine.start(flow)
    assert engine.runs() == []
    assert "not here" in capfd.readouterr().err


async def test_no_descriptor_and_no_task_is_left(tmp_path: Path) -> None:
    async def once() -> None:
        async with Engine(tmp_path / "store", max_workers=2) as engine:
            run = await engine.start(WIDE)
            await run.wait()

    await once()
    before = psutil.Process().num_fds(), len(asyncio.all_tasks())
    for _ in range(3):
        await once()
    assert (psutil.Process().num_fds(), len(asyncio.all_tasks())) == before


async def test_signals_are_the_programs_own(engine: Engine) -> None:
    before = (
        signal.getsignal(signal.SIGINT),
        signal.getsignal(signal.SIGTERM),
        signal.getsignal(signal.SIGCHLD),
    )
    run = await engine.start(WIDE)
    await run.wait()
    after = (
        signal.getsignal(signal.SIGINT),
        signal.getsignal(signal.SIGTERM),
        signal.getsignal(signal.SIGCHLD),
    )
    assert after == before


async def test_waiting_after_the_engine_was_torn_down_says_so(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "store", stop_grace_s=0.0)
    async with engine:
        run = await engine.start(SLOW)
        engine._group.cancel_scope.cancel()  # type: ignore[union-attr]  # as when the grace is over
        await run._ended.wait()
    with pytest.raises(RunStopped, match=r"engine\.resume"):
        await run.wait()


def test_an_engine_works_under_uvloop(tmp_path: Path) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def main() -> int:
        async with Engine(tmp_path / "store") as engine:
            return (await (await engine.start(WIDE)).result()).total

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == 30


def test_trio_is_refused_in_words(tmp_path: Path) -> None:
    pytest.importorskip("trio")

    async def main() -> None:
        async with Engine(tmp_path / "store"):
            raise AssertionError("it was entered")

    with pytest.raises(EngineError, match="trio is not supported"):
        anyio.run(main, backend="trio")


def test_killing_the_program_leaves_no_process(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\nfrom asyncflow import Engine\n\n"
        "async def main():\n"
        f"    async with Engine({str(tmp_path / 'store')!r}) as engine:\n"
        f"        run = await engine.start({SLOW!r})\n"
        "        async for event in run.events():\n"
        "            if event.kind == 'AttemptStarted':\n                print(run.id, flush=True)\n\n"
        "asyncio.run(main())\n"
    )
    program = psutil.Popen([sys.executable, "-c", code], stdout=-1)
    assert program.stdout.readline() == b"1\n"
    below = program.children(recursive=True)
    assert len(below) == 3  # stem, zygote, task
    program.kill()
    program.wait()
    _, alive = psutil.wait_procs(below, timeout=10)
    assert alive == []
    program.stdout.close()


async def test_an_engine_is_entered_in_one_task_and_left_in_another_as_notebooks_and_fixtures_do(
    tmp_path: Path,
) -> None:
    engine = Engine(tmp_path / "store")
    await asyncio.create_task(engine.__aenter__())
    run = await asyncio.create_task(engine.start(WIDE))
    assert (await asyncio.create_task(run.result())).total == 30
    await asyncio.create_task(engine.__aexit__(None, None, None))


async def test_an_engine_works_inside_a_textual_application(tmp_path: Path) -> None:
    from textual.app import App, ComposeResult
    from textual.widgets import Label

    class Watching(App[int]):
        def compose(self) -> ComposeResult:
            yield Label("waiting")

        async def on_mount(self) -> None:
            self.run_worker(self.work())

        async def work(self) -> None:
            async with Engine(tmp_path / "store") as engine:
                run = await engine.start(WIDE)
                async for event in run.events():
                    self.query_one(Label).update(event.kind)
                total = (await run.result()).total
            self.exit(total)  # an application does not wait for its workers: first the engine is left

    app = Watching()
    async with app.run_test() as pilot:
        while app.return_value is None:
            await pilot.pause(0.05)
    assert app.return_value == 30


async def test_an_engine_that_cannot_open_its_store_says_so_when_entered(tmp_path: Path) -> None:
    place = tmp_path / "store"
    place.write_text("not a directory")
    with pytest.raises(StoreError):
        await Engine(place).__aenter__()
