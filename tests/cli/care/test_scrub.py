"""`asyncflow logs scrub`, and `resume --clone-only`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.place import Place

FLOW = """
import sys
from asyncflow import FlowSpec, retry, step

class Chatty(FlowSpec):
    @retry(times=1)
    @step
    def start(self):
        print("password is swordfish")
        print("on stderr", file=sys.stderr)
        from asyncflow import current
        if current.retry_count == 0:
            raise ValueError("once")
        self.next(self.end)

    @step
    def end(self):
        print("end")
        import os
        if not os.path.exists("whole"):
            raise ValueError("not yet")
"""


def test_what_was_printed_is_gone_for_good_and_the_rest_stays(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "chatty.py").write_text(FLOW)
    assert place.run("run", "chatty.py").code == 1
    assert place.run("logs", "scrub", "1/start/1", "--stdout").stdout == "Scrubbed 1 log of 1/start/1.\n"
    shown = place.run("logs", "1/start").stdout
    assert shown.splitlines() == ["[REDACTED stdout]", "on stderr"]
    assert "swordfish" in place.run("logs", "1/start", "--attempt", "0").stdout
    assert place.run("logs", "scrub", "1/start", "--all").code == 0
    assert "swordfish" not in place.run("logs", "1/start", "--attempt", "0").stdout
    assert not any(b"swordfish" in file.read_bytes() for file in tmp_path.rglob("*.log"))
    assert place.run("logs", "1/end").stdout.startswith("end\n")
    whole = place.run("logs", "scrub", "1")
    assert (whole.code, "whole run" in whole.stderr) == (2, True)


def test_clones_only_takes_over_what_went_well_and_runs_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "chatty.py").write_text(FLOW)
    assert place.run("run", "chatty.py").code == 1
    ended = place.run("resume", "1", "--clone-only")
    assert ended.code == 0, ended.stderr
    assert "Task is starting" not in ended.stdout
    row = json.loads(place.run("runs", "--json").stdout)[0]
    assert (row["run"], row["status"], row["tasks"]["cloned"]) == (2, "cancelled", 1)
    (tmp_path / "whole").touch()
    assert place.run("resume", "2").code == 0
    assert place.run("resume", "3", "--clone-only").code == 0
    assert json.loads(place.run("runs", "--json").stdout)[0]["status"] == "succeeded"
