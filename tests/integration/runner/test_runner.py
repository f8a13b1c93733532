"""What a program gets that runs flows with Runner: from any thread, and nothing is left running."""

from __future__ import annotations

import asyncio
import json
import linecache
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import psutil
import pytest

from asyncflow import NBRunner, Runner, RunnerError
from asyncflow.runner import ExecutingRun
from tests.children import children

FLOW = Path(__file__).parent / "flows" / "ask.py"
WRONG = Path(__file__).parent / "flows" / "wrong.py"


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert children(recursive=True) == []


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / ".asyncflow").mkdir(mode=0o700)
    return tmp_path


def written(file: Path) -> int:
    """Return the number that a task writes to a file, when it has."""
    until = time.monotonic() + 20
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return int(file.read_text())


def runner(place: Path, **kwargs: object) -> Runner:
    return Runner(FLOW, show_output=False, cwd=place, **kwargs)  # type: ignore[arg-type]


def test_a_run_is_made_with_parameters_tags_and_variables(place: Path) -> None:
    with runner(place, env={"EXTRA": "salt"}) as one:
        done = one.run(
            alpha=1,
            count=7,
            name_of_it="é 'x'",
            table={"a": [1]},
            tags=["t1", "t2"],
            max_workers=2,
            decospecs="retry",
        )
        assert (done.status, done.returncode) == ("successful", 0)
        assert json.loads(done.run.data.said) == [1.0, 7, "é 'x'", {"a": [1]}]  # type: ignore[union-attr]
        assert done.run.data.extra == "salt"  # type: ignore[union-attr]
        assert done.run.data.cwd == str(place)  # type: ignore[union-attr]
        assert done.run.user_tags == {"t1", "t2"}
        assert "Workflow starting" in done.stdout
        assert "tags ['t1', 't2']" in done.stdout


def test_a_run_that_fails_is_no_exception_and_can_be_resumed(place: Path) -> None:
    with runner(place) as one:
        failed = one.run(is_broken=True)
        assert (failed.status, failed.returncode) == ("failed", 1)
        assert "ValueError: asked for" in failed.stdout + failed.stderr
        (place / "mended").touch()
        again = one.resume()
        assert again.status == "successful"
        assert again.run.origin_pathspec == failed.run.pathspec
        anew = one.resume(origin_run_id=failed.run.id, step_to_rerun="start")
        assert anew.run["start"].task.origin_pathspec is None  # type: ignore[union-attr]


def test_what_never_was_a_run_is_an_error_that_says_why(place: Path) -> None:
    with Runner(WRONG, show_output=False, cwd=place) as one, pytest.raises(RunnerError, match="nowhere"):
        one.run()
    with pytest.raises(ValueError, match="there is no flow file"):
        Runner("nothing.py", cwd=place)
    with runner(place) as one, pytest.raises(RuntimeError, match="no run"):
        one.resume()


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"alpah": 1}, ValueError, "takes no 'alpah'.*alpha.*max_workers"),
        ({"count": "7"}, TypeError, "'count' is of type int"),
        ({"count": True}, TypeError, "'count' is of type int"),
        ({"is_broken": 1}, TypeError, "'is_broken' is of type bool"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_runs(
    place: Path, given: dict[str, object], error: type[Exception], said: str
) -> None:
    with runner(place) as one, pytest.raises(error, match=said):
        one.run(**given)
    assert not (place / ".asyncflow" / "asyncflow.db").exists()


@pytest.mark.parametrize("given", [{"environment": "conda"}, {"metadata": "service"}, {"what": 1}])
def test_an_option_that_would_do_nothing_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"only|takes no"):
        Runner(FLOW, **given)  # type: ignore[arg-type]


def test_output_is_shown_as_the_run_prints_it(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Runner(FLOW, cwd=place) as one:
        done = one.run()
    shown = capsys.readouterr()
    assert "done" in shown.out
    assert shown.out.count("Workflow starting") == 1
    assert done.status == "successful"


async def test_several_runs_at_once_are_awaited(place: Path) -> None:
    async with runner(place) as one:
        runs = [await one.async_run(gate="open", count=number) for number in range(3)]
        assert [run.status for run in runs] == ["running"] * 3
        (place / "open").touch()
        async with anyio.create_task_group() as group:
            for run in runs:
                group.start_soon(run.wait)
        assert [run.status for run in runs] == ["successful"] * 3
        assert [json.loads(run.run.data.said)[1] for run in runs] == [0, 1, 2]  # type: ignore[union-attr]


async def test_the_log_is_streamed_line_by_line_and_from_a_position_on(place: Path) -> None:
    async with runner(place) as one, await one.async_run() as run:
        lines = [(position, line) async for position, line in run.stream_log("stdout")]
        assert lines[0][1] == "this is printed while the file is imported"
        assert "".join(f"{line}\n" for _, line in lines) == run.stdout
        rest = [line async for _, line in run.stream_log("stdout", position=lines[1][0])]
        assert rest == [line for _, line in lines[2:]]
        with pytest.raises(ValueError, match="stdlog"):
            await anext(run.stream_log("stdlog"))


async def test_a_wait_that_takes_too_long_ends_the_run(place: Path) -> None:
    async with runner(place) as one:
        run = await one.async_run(seconds=60)
        await run.wait(timeout=0.5)
        assert run.status == "timeout"
        assert run.run.status == "cancelled"


async def test_leaving_the_runner_ends_what_runs_and_its_task(place: Path) -> None:
    async with runner(place) as one:
        run = await one.async_run(seconds=60)
        task = await anyio.to_thread.run_sync(written, place / "pid")
    assert run.returncode == 130
    assert not psutil.pid_exists(task)
    assert not await anyio.Path(run._launched.directory).exists()


async def test_cancelling_who_starts_a_run_ends_it(place: Path) -> None:
    async with runner(place) as one:
        with anyio.move_on_after(0.05):
            await one.async_run(seconds=60)
        assert [launched.returncode is None for launched in one._launched] in ([], [False])


def test_it_works_in_any_thread_and_beside_a_running_loop(place: Path) -> None:
    said: list[ExecutingRun | None] = []

    def work() -> None:
        with runner(place) as one:
            said.append(one.run())

    async def program() -> None:
        work()  # blocks the loop, and works

    asyncio.run(program())
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [run.status for run in said if run is not None] == ["successful"] * 2


CELL = """
import os
from asyncflow import FlowSpec, Parameter, step

WORD = "cell"

class CellFlow(FlowSpec):
    times = Parameter("times", type=int, default=2)

    @step
    def start(self):
        self.text = WORD * self.times
        self.next(self.end)

    @step
    def end(self):
        pass

print("a cell's other statements are not part of it", NBRunner)
"""


def test_a_flow_of_a_notebook_is_run_from_its_cell(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    name = "<cell 1>"
    linecache.cache[name] = (len(CELL), None, CELL.splitlines(keepends=True), name)
    space: dict[str, object] = {"__name__": "__main__", "NBRunner": NBRunner}
    exec(compile(CELL, name, "exec"), space)
    one = NBRunner(space["CellFlow"], show_output=False)  # type: ignore[arg-type]
    run = one.nbrun(times=3)
    assert run.data.text == "cellcellcell"  # type: ignore[union-attr]
    assert not Path(one.flow_file).exists()


def test_a_class_without_a_text_is_refused() -> None:
    space: dict[str, object] = {"__name__": "__main__"}
    exec("class Gone:\n    def start(self): pass", space)
    with pytest.raises(RunnerError, match="Gone"):
        NBRunner(space["Gone"])  # type: ignore[arg-type]


def test_a_scheduler_that_is_killed_is_a_run_that_failed(place: Path) -> None:
    async def program() -> ExecutingRun:
        one = runner(place)
        run = await one.async_run(seconds=60)
        run._launched.kill()
        assert run.run.status == "interrupted"
        one.cleanup()
        return run

    run = asyncio.run(program())
    assert run.status == "failed"
    time.sleep(0.1)
