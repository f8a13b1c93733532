"""`--max-log-size`: so much of each stream of a task is kept, and it is said that there was more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.place import Place

TRUNCATED = "[TRUNCATED - MAXIMUM LOG FILE SIZE REACHED]"
FLOW = """
import sys
from asyncflow import FlowSpec, step

class WordyFlow(FlowSpec):
    @step
    def start(self):
        for number in range(5_000):
            print("line", number)
        print("few words", file=sys.stderr)
        self.next(self.same)

    @step
    async def same(self):
        for number in range(5_000):
            print("line", number)
        self.next(self.end)

    @step
    def end(self):
        print("word " * 20_000)
        print("short")
"""


@pytest.mark.parametrize("step", ["start", "same"])
def test_a_wordy_stream_is_cut_after_whole_lines_and_the_other_is_not(tmp_path: Path, step: str) -> None:
    place = Place(tmp_path, {"ASYNCFLOW_HOME": str(tmp_path / "store")})
    (tmp_path / "wordy.py").write_text(FLOW)
    seen = place.run("run", "wordy.py", "--max-log-size", "0.01", "--ui", "plain")
    assert seen.code == 0
    assert seen.stdout.count("line 4999") == 2, "all of it is shown"
    kept = place.run("logs", f"1/{step}", "--stdout").stdout.splitlines()
    assert kept[-1] == TRUNCATED
    assert kept[:-1] == [f"line {number}" for number in range(len(kept) - 1)]
    assert 9_900 < sum(len(line) + 1 for line in kept[:-1]) <= 10_000
    assert place.run("logs", "1/start", "--stderr").stdout == "few words\n"
    assert place.run("logs", "1/end").stdout == f"{TRUNCATED}\n"


def test_without_it_everything_is_kept(tmp_path: Path) -> None:
    place = Place(tmp_path, {"ASYNCFLOW_HOME": str(tmp_path / "store")})
    (tmp_path / "wordy.py").write_text(FLOW)
    assert place.run("run", "wordy.py", "--ui", "none").code == 0
    assert len(place.run("logs", "1/end").stdout) == 100_001 + len("short\n")
