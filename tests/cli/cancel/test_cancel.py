"""`asyncflow cancel RUN/STEP/TASK` ends single tasks of a living run, `asyncflow retry` cuts a wait short."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from tests.cli.place import Place

pytestmark = pytest.mark.slow


@contextmanager
def _running(place: Place, *args: str) -> Iterator[Popen[bytes]]:
    process = place.start("run", *args)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _read_until(process: Popen[bytes], text: bytes, count: int = 1) -> None:
    assert process.stdout is not None
    while count:
        line = process.stdout.readline()
        assert line, "it ended before that"
        count -= text in line


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, {"ASYNCFLOW_HOME": str(tmp_path / "store")})


def _go(place: Place) -> None:
    (place.root / "go").touch()


def test_one_task_is_cancelled_and_the_others_go_on(place: Place) -> None:
    with _running(place, place.flow("patient"), "--keep-going") as process:
        _read_until(process, b"ready", 3)
        ended = place.run("cancel", "1/wait/3")
        assert (ended.code, ended.stdout) == (0, "1/wait/3 has ended: failed.\n")
        _read_until(process, b"Task is stopped, as asked by ada (asyncflow cancel).")
        again = place.run("cancel", "1/3")
        assert again.code == 2
        assert "Task 1/3 has ended already: failed" in again.stderr
        _go(place)
        assert place.end_of(process).code == 1
    assert json.loads(place.run("runs", "--json").stdout)[0]["tasks"]["succeeded"] == 3


def test_a_step_is_cancelled_with_the_branches_that_have_not_begun(place: Place) -> None:
    with _running(place, place.flow("patient"), "--keep-going", "--max-workers", "1") as process:
        _read_until(process, b"ready")
        assert place.run("cancel", "1/wait", "--force").code == 0
        ended = place.end_of(process)
        assert ended.code == 1
    row = json.loads(place.run("runs", "--json").stdout)[0]
    assert (row["tasks"]["failed"], row["tasks"]["running"], row["status"]) == (3, 0, "failed")
    assert not os.path.exists(place.root / "go")


def test_a_task_that_waits_ten_minutes_is_tried_now(place: Place) -> None:
    with _running(place, place.flow("again")) as process:
        _read_until(process, b"will be tried again in 600 seconds")
        ended = place.run("retry", "1/flaky")
        assert (ended.code, ended.stdout) == (0, "Asked run 1 to try 1 task now.\n")
        _read_until(process, b"try 1")
        _go(place)
        assert place.end_of(process).code == 0
    refused = place.run("retry", "1")
    assert refused.code == 2
    assert "Run 1 has ended already" in refused.stderr


def test_where_nothing_waits_retry_says_so(place: Place) -> None:
    with _running(place, place.flow("patient")) as process:
        _read_until(process, b"ready")
        ended = place.run("retry", "1")
        assert ended.code == 2
        assert "No task of 1 waits for its next try" in ended.stderr
        _go(place)
        assert place.end_of(process).code == 0
