"""Keys that ask something of a living run: end a task, a step; try again now."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.place import Place
from tests.integration.tui.conftest import looking


@contextmanager
def _running(tmp_path: Path, flow: str, *args: str) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    home = tmp_path / "store"
    place = Place(tmp_path, {"ASYNCFLOW_HOME": str(home)})
    process = place.start("run", place.flow(flow), *args)
    try:
        assert process.stdout is not None
        while b"ready" not in (line := process.stdout.readline()) and b"tried again" not in line:
            assert line, "it ended before that"
        yield home, process
    finally:
        process.kill()
        process.communicate()


async def test_x_ends_the_task_under_the_cursor_and_the_others_go_on(tmp_path: Path) -> None:
    with _running(tmp_path, "patient", "--keep-going") as (home, process):
        async with looking(home, run=1) as look:
            await look.press("2")
            await look.sees("wait/", "running")
            await look.press("x")
            await look.sees("Cancel what of run 1?", "only task wait/", "asyncflow cancel 1/wait/")
            await look.press("t")
            await look.sees("TaskCancelled", "1 failed", "2 running")
            (tmp_path / "go").touch()
            await look.sees("3 done")
        assert process.wait(20) == 1


async def test_x_ends_all_tasks_of_the_step_under_the_cursor(tmp_path: Path) -> None:
    with _running(tmp_path, "patient") as (home, process):
        async with looking(home, run=1) as look:
            await look.press("j")
            await look.press("x")
            await look.sees("all tasks of wait")
            await look.press("s")
            await look.sees("1 failed", "2 cancelled")
        assert process.wait(20) == 1


async def test_r_has_a_task_tried_again_that_waits_ten_minutes(tmp_path: Path) -> None:
    with _running(tmp_path, "again") as (home, process):
        async with looking(home, run=1) as look:
            await look.press("2")
            await look.sees("flaky/2", "retrying")
            await look.press("j", "R")
            await look.sees("Asked to try flaky", "2 done")
            (tmp_path / "go").touch()
            await look.sees("5 done")
        assert process.wait(20) == 0


async def test_a_dashboard_that_only_reads_asks_nothing(tmp_path: Path) -> None:
    with _running(tmp_path, "patient") as (home, process):
        async with looking(home, run=1, is_read_only=True) as look:
            await look.press("j", "x")
            await look.sees("read-only")
        (tmp_path / "go").touch()
        assert process.wait(20) == 0
