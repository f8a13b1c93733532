"""How quick the dashboard is over a long history, and beside a run: rows 1 to 3 of what issue 4 asks.

python -m benchmarks.dashboard history HOME     a store made by benchmarks.history
python -m benchmarks.dashboard live             1,000 events and 100,000 log lines a second, on a terminal
python -m benchmarks.dashboard flood            as many events and lines as there can be
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from asyncflow.tui.app import Dashboard

if TYPE_CHECKING:
    from tests.integration.tui.terminal import Terminal

_FILTERS = (
    "status:failed",
    "flow:TrainFlow",
    "tag:week7",
    "user:grace status:failed",
    "since:30d",
    "ScoreFlow",
)
_FLOWS = Path(__file__).parent / "flows"
_VIEWS = (("2", "MEMORY"), ("1", "SHAPE"))
"""Keys, and words in the heads of the views they show."""


async def _until(holds: Callable[[], bool], pilot: object) -> float:
    begun = time.perf_counter()
    while not holds():
        await pilot.pause(0.001)  # type: ignore[attr-defined]
        if time.perf_counter() - begun > 30:
            raise TimeoutError
    return time.perf_counter() - begun


def _text(app: Dashboard) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


async def history(home: str) -> None:
    """Time the first screen and each filter, in this process."""
    begun = time.perf_counter()
    app = Dashboard(home)
    async with app.run_test(size=(120, 40)) as pilot:
        await _until(lambda: "succeeded" in _text(app), pilot)
        _say(f"first screen after the imports: {time.perf_counter() - begun:.3f} s")
        for query in _FILTERS:
            before = _text(app)
            await pilot.press("slash", *(["backspace"] * 40), *query)
            asked = time.perf_counter()
            await pilot.press("enter")
            await _until(lambda before=before: _text(app) != before, pilot)
            await pilot.pause()
            _say(f"filter {query!r}: {time.perf_counter() - asked:.3f} s")


def first_screen(home: str) -> None:
    """Time a whole `asyncflow tui` on a terminal until something of the history is on it, five times."""
    from tests.integration.tui.terminal import Terminal

    took: list[float] = []
    for _ in range(5):
        begun = time.perf_counter()
        terminal = Terminal(Path(home), ["tui"])
        try:
            terminal.until("succeeded")
            took.append(time.perf_counter() - begun)
            terminal.press("q")
            terminal.end()
        finally:
            terminal.close()
    bare = min(_seconds([sys.executable, "-c", "pass"]) for _ in range(5))
    _say(
        f"asyncflow tui, process to first rows: {statistics.median(took):.3f} s, a bare interpreter {bare:.3f} s"
    )


def hello() -> None:
    """Time `asyncflow run` of hello on a terminal against lines, and its first frame."""
    from tests.integration.tui.terminal import Terminal

    example = Path(__file__).parents[1] / "examples" / "hello.py"
    for ui in ("tui", "none"):
        took: list[float] = []
        for _ in range(7):
            with tempfile.TemporaryDirectory() as place:
                home = Path(place) / ".asyncflow"
                home.mkdir(mode=0o700)
                begun = time.perf_counter()
                terminal = Terminal(home, ["run", str(example), "--ui", ui])
                try:
                    terminal.end()
                finally:
                    terminal.close()
                took.append(time.perf_counter() - begun)
        _say(f"hello --ui {ui}: {statistics.median(took):.3f} s")
    _say(f"first frame of a run that lasts: {statistics.median(_first_frame() for _ in range(7)):.3f} s")


def _first_frame() -> float:
    """Time a run of some seconds from the start of the process to its first frame; then cancel it."""
    from tests.integration.tui.terminal import Terminal

    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / ".asyncflow"
        home.mkdir(mode=0o700)
        begun = time.perf_counter()
        terminal = Terminal(home, ["run", str(_FLOWS / "chatty_paced.py"), "--ui", "tui"])
        try:
            terminal.until("1 Steps")
            took = time.perf_counter() - begun
            terminal.press("\x03")
            terminal.until("is running.")
            terminal.press("c")
            terminal.end()
        finally:
            terminal.close()
    return took


def live(flow: Path, *options: str) -> None:
    """Run a wide flow with and without a dashboard; tell times, what the dashboard takes, how quick its keys are.

    Keys are pressed in the second round only: the first tells what it costs when nobody touches it.
    """
    for ui, is_pressed in (("none", False), ("tui", False), ("none", False), ("tui", True)):
        with tempfile.TemporaryDirectory() as place:
            home = Path(place) / ".asyncflow"
            home.mkdir(mode=0o700)
            _say(_live(home, flow, ui, options, is_pressed=is_pressed))


def _live(home: Path, flow: Path, ui: str, options: Sequence[str], *, is_pressed: bool) -> str:
    from tests.integration.tui.terminal import Terminal

    begun = time.perf_counter()
    terminal = Terminal(home, ["run", str(flow), "--ui", ui, *options], size=(120, 40))
    dashboard = psutil.Process(terminal.pid)
    cpu_s, memory, delays = 0.0, 0, list[float]()
    try:
        while terminal.code is None:
            terminal._read(0.2)
            terminal._reap()
            terminal.seen = terminal.seen[-4096:]
            if terminal.code is None:
                times = dashboard.cpu_times()
                cpu_s, memory = times.user + times.system, max(memory, dashboard.memory_info().rss)
                if is_pressed and time.perf_counter() - begun > 3 and len(delays) < 200:
                    delays.append(_key_to_paint(terminal, *_VIEWS[len(delays) % 2]))
                if "q leaves" in terminal.plain:
                    terminal.press("q")
    finally:
        terminal.close()
    took = time.perf_counter() - begun
    said = f"--ui {ui}: {took:.2f} s"
    if ui == "tui" and not is_pressed:
        said += f", its process {100 * cpu_s / took:.0f} % of a core, {memory / 1e6:.0f} MB"
    if delays:
        delays.sort()
        p50, p95 = delays[len(delays) // 2], delays[int(len(delays) * 0.95)]
        said += f", key to paint p50 {1000 * p50:.0f} ms, p95 {1000 * p95:.0f} ms of {len(delays)} keys"
    return said


def _key_to_paint(terminal: Terminal, key: str, sign: str) -> float:
    """Press a key that shows another view; return the seconds until a word of that view is on the terminal."""
    terminal.forget()
    pressed = time.perf_counter()
    terminal.press(key)
    while sign not in terminal.plain:
        terminal._read(0.05)
        if terminal.code is not None or time.perf_counter() - pressed > 5:
            break
    return time.perf_counter() - pressed


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _seconds(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    os.environ.pop("NO_COLOR", None)
    if sys.argv[1] == "history":
        asyncio.run(history(sys.argv[2]))
        first_screen(sys.argv[2])
    elif sys.argv[1] == "hello":
        hello()
    elif sys.argv[1] == "live":
        live(_FLOWS / "chatty_paced.py", "--max-async", "250")
    else:
        live(_FLOWS / "chatty_wide.py")
