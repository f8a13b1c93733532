"""The example of 500 calls to a server that fails a fifth of them: all succeed, and a resume repeats none of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.place import Place

pytest.importorskip("httpx", reason="the example makes its calls with httpx")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CALLS = 500
SUM = sum(number**2 for number in range(CALLS))

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def url() -> Iterator[str]:
    """Where the example's server is."""
    command = [sys.executable, str(EXAMPLES / "flaky_server.py"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()[-1]
        server.terminate()


def stats(url: str) -> dict[str, Any]:  # Any: JSON
    """Return what the server has counted."""
    with urllib.request.urlopen(f"{url}/stats", timeout=20) as answer:
        return json.load(answer)


def finished_calls(output: str) -> list[str]:
    """Return the numbers whose tasks have finished: the first task of the foreach asks for 0."""
    tasks = re.findall(r"/fetch/(\d+).*Task finished successfully", output)
    return [str(int(task) - 2) for task in tasks]


def test_every_call_succeeds_in_the_end_and_is_answered_once(url: str, tmp_path: Path) -> None:
    ended = Place(tmp_path).run("run", str(EXAMPLES / "api_calls.py"), "--url", url)
    assert ended.code == 0, ended.stdout[-3000:] + ended.stderr
    assert f"{CALLS} answers, their sum is {SUM}" in ended.stdout
    counted = stats(url)
    assert counted["failed"] > CALLS / 10
    assert list(counted["answered"].values()) == [1] * CALLS


def test_a_run_that_is_killed_half_way_and_resumed_repeats_no_finished_call(url: str, tmp_path: Path) -> None:
    # Given a run that is killed half-way
    place = Place(tmp_path)
    process = place.start("run", str(EXAMPLES / "api_calls.py"), "--url", url)
    while len(stats(url)["answered"]) < CALLS / 2:
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.02)
    process.kill()
    finished = finished_calls(place.steady(process.communicate()[0]))
    assert 0 < len(finished) < CALLS
    # When it is resumed
    ended = place.run("resume", "latest")
    # Then all answers are there, and no call was made again whose task had finished
    assert ended.code == 0, ended.stdout[-3000:] + ended.stderr
    assert f"{CALLS} answers, their sum is {SUM}" in ended.stdout
    answered = stats(url)["answered"]
    assert len(answered) == CALLS
    assert {number: answered[number] for number in finished if answered[number] != 1} == {}
