"""`asyncflow run` on a real terminal: whatever happens to it, the run goes on and the terminal is left sane."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from asyncflow.events.reader import Reader
from tests.integration.tui.conftest import ZOO, command
from tests.integration.tui.kills import kill_dashboards
from tests.integration.tui.terminal import Terminal

SLOW = ("run", str(ZOO), "--seconds", "1.5")
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / ".asyncflow"
    home.mkdir(mode=0o700)
    yield home
    for row in _runs(home):
        assert row.status != "running", f"run {row.run} is left running"


def _runs(home: Path) -> list:  # type: ignore[type-arg]
    with Reader(str(home / "asyncflow.db")) as reader:
        return reader.runs()


def _ends(home: Path, run: int, status: str) -> None:
    until = time.monotonic() + 30
    while _runs(home)[-run].status == "running":
        assert time.monotonic() < until
        time.sleep(0.05)
    assert _runs(home)[-run].status == status


def _paint_often(terminal: Terminal) -> None:
    """Have all painted anew, 80 times."""
    for number in range(80):
        terminal.resize((100 + number % 2, 30))
        time.sleep(0.01)


def test_a_run_is_shown_live_and_its_summary_stays(place: Path) -> None:
    with closing(Terminal(place, SLOW)) as terminal:
        terminal.until("● running")
        assert terminal.end() == 0
        assert terminal.is_sane
        assert "ZooFlow run 1 succeeded" in terminal.plain
        assert "Look at it: asyncflow tui 1" in terminal.plain


def test_a_failed_run_says_why_and_how_to_go_on(place: Path) -> None:
    with closing(Terminal(place, [*SLOW, "--mode", "bad"])) as terminal:
        terminal.until("running")
        assert terminal.end() == 1
        assert terminal.is_sane
        assert "asyncflow resume 1" in terminal.plain
        assert "KeyError" in terminal.plain


def test_ctrl_c_asks_and_c_cancels_the_run(place: Path) -> None:
    with closing(Terminal(place, SLOW)) as terminal:
        terminal.until("● running")
        terminal.press("\x03")
        terminal.until("Run 1 is running.")
        terminal.press("c")
        assert terminal.end() == 130
        assert terminal.is_sane
    _ends(place, 1, "cancelled")


def test_d_leaves_the_run_alone_and_it_is_attached_to_again(place: Path) -> None:
    with closing(Terminal(place, SLOW)) as terminal:
        terminal.until("● running")
        terminal.press("\x03")
        terminal.until("Run 1 is running.")
        terminal.press("d")
        assert terminal.end() == 0
        assert terminal.is_sane
        assert "Back to it: asyncflow tui 1" in terminal.plain
    with closing(Terminal(place, ["tui", "1"])) as again:
        again.until("ZooFlow")
        again.until("succeeded")
        again.press("q")
        assert again.end() == 0
        assert again.is_sane
    _ends(place, 1, "succeeded")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_dashboard_and_not_the_run(place: Path, number: signal.Signals) -> None:
    with closing(Terminal(place, SLOW)) as terminal:
        terminal.until("● running")
        terminal.send(number)
        assert terminal.end() == 128 + number
        assert terminal.is_sane
    _ends(place, 1, "succeeded")


def test_a_terminal_that_is_gone_does_not_end_the_run(place: Path) -> None:
    with closing(Terminal(place, SLOW)) as terminal:
        terminal.until("● running")
        terminal.hang_up()
        assert terminal.end() == 128 + signal.SIGHUP
    _ends(place, 1, "succeeded")


def test_a_terminal_that_goes_while_much_is_painted_does_not_hold_the_dashboard(place: Path) -> None:
    # given more paintings than the writing thread's queue takes, at a terminal that takes none
    with closing(Terminal(place, SLOW)) as terminal:
        terminal.until("● running")
        terminal.stall()
        _paint_often(terminal)
        # when it goes
        terminal.hang_up()
        # then the dashboard does, too
        assert terminal.end() == 128 + signal.SIGHUP
    _ends(place, 1, "succeeded")


def test_a_terminal_that_takes_nothing_does_not_keep_the_dashboard_from_ending(place: Path) -> None:
    with closing(Terminal(place, SLOW)) as terminal:
        terminal.until("● running")
        terminal.stall()
        _paint_often(terminal)
        terminal.send(signal.SIGTERM)
        assert terminal.end() == 128 + signal.SIGTERM
    _ends(place, 1, "succeeded")


@pytest.mark.parametrize(
    ("is_kept_out", "code", "status"), [(False, 130, "cancelled"), (True, 0, "succeeded")]
)
def test_a_hang_up_stops_plain_lines_unless_they_were_started_to_ignore_it(
    place: Path, is_kept_out: bool, code: int, status: str
) -> None:
    # given `asyncflow run` or `nohup asyncflow run`, with lines in place of the dashboard
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if is_kept_out else signal.SIG_DFL)
    try:
        terminal = Terminal(place, SLOW, environment={"ASYNCFLOW_UI": "plain"})
    finally:
        signal.signal(signal.SIGHUP, before)
    with closing(terminal):
        terminal.until("Task is starting")
        # when the terminal goes
        terminal.hang_up()
        assert terminal.end() == code
    _ends(place, 1, status)


def test_a_run_whose_dashboard_is_killed_does_not_notice(place: Path) -> None:
    told = kill_dashboards(place, 3, seed=1)
    assert told.problems == []


def test_where_there_is_no_terminal_there_are_lines(place: Path) -> None:
    done = command(place, "run", str(ZOO))
    assert done.returncode == 0
    assert "Workflow starting" in done.stdout
    assert "\x1b[?1049h" not in done.stdout
    refused = command(place, "tui")
    assert refused.returncode == 2
    assert "needs a terminal" in refused.stderr


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("CI", "true"), ("ASYNCFLOW_UI", "plain")])
def test_dumb_terminals_and_ci_get_lines(place: Path, name: str, value: str) -> None:
    with closing(Terminal(place, ["run", str(ZOO)], environment={name: value})) as terminal:
        assert terminal.end() == 0
        assert "Workflow starting" in terminal.plain
        assert b"\x1b[?1049h" not in terminal.seen
