"""A training loop watched in dashboard and browser at once: `python -m benchmarks.cards_watched [SECONDS [PAIRS]]`.

The loop adds to a curve and refreshes its card ten times a second, each time with the time of day on it. How old that
is when it is seen is measured where people see it: in the text of the dashboard's screen, and in the page's document,
in a real browser, told by a MutationObserver. Then the same amount of work is done without refreshes and without
watchers, in turns, and processor times are compared; memory of task and server is read at each third of the time. The
curve keeps 500 points, which are there after 50 s: a run of three minutes shows what grows beyond that.

Needs a Chromium (CHROMIUM, else the one in PATH) and Playwright. 60 s and 2 pairs by default.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

__all__: list[str] = []

_BUSY = "500"
"""Pieces of work that take a tenth of a second."""
_STAMP = re.compile(r"at (\d{10}\.\d{3})")
_LOOP = """
import json, os, time
from asyncflow import FlowSpec, Parameter, card, current, step
from asyncflow.cards import Markdown, Metric, ProgressBar, Table

class LoopFlow(FlowSpec):
    rounds = Parameter("rounds", default=100)
    shows = Parameter("shows", default=False, type=bool)
    work = Parameter("work", default=40)

    @card
    @step
    def start(self):
        curve, bar = Metric("loss", x="round"), ProgressBar(self.rounds, "rounds")
        current.card.extend([bar, curve, Table([[row, row * 2] for row in range(50)])])
        began, cpu = time.monotonic(), time.process_time()
        for number in range(1, self.rounds + 1):
            total = 0
            for _ in range(self.work):
                total += sum(value * value for value in range(8_000))
            curve.add(1 / number, number)
            bar.update(number, f"at {time.time():.3f}")
            if self.shows:
                current.card.refresh()
            time.sleep(max(0.0, began + number / 10 - time.monotonic()))
        self.cpu_s = time.process_time() - cpu
        self.next(self.end)

    @step
    def end(self):
        print("cpu_s", self.cpu_s)
"""
_OBSERVER = """() => {
  window.ages = [];
  const stamp = /at (\\d{10}\\.\\d{3})/;
  let last = "";
  new MutationObserver(() => {
    const found = document.querySelector("main").textContent.match(stamp);
    if (found && found[1] !== last) { last = found[1]; window.ages.push(Date.now() / 1000 - Number(last)); }
  }).observe(document.querySelector("main"), {childList: true, subtree: true, characterData: true});
}"""


def main(seconds: float, pairs: int) -> None:
    """Measure and say."""
    with tempfile.TemporaryDirectory() as directory:
        os.environ["ASYNCFLOW_HOME"] = os.path.join(directory, ".asyncflow")
        flow = Path(directory, "loop.py")
        flow.write_text(_LOOP)
        rounds = int(seconds * 10)
        run = _begin(flow, rounds, "--shows", "true")
        _await_store()
        line = [sys.executable, "-m", "asyncflow", "card", "server", "1"]
        with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                asyncio.run(_watched(run, server.pid, server.stdout.readline().strip(), rounds / 10))
            finally:
                server.terminate()
        if pairs:
            _slowed(flow, rounds, pairs)


async def _watched(run: subprocess.Popen[bytes], server: int, url: str, seconds: float) -> None:
    """Watch a run of the loop in both, and say how old what they saw was."""
    from playwright.async_api import async_playwright

    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or "chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page()
        await page.goto(f"{url}start/1/0/")
        await page.wait_for_selector("#link[data-state='connected']")
        await page.evaluate(_OBSERVER)
        memory = asyncio.create_task(_memory(run, server, seconds))
        ages = await _dashboard(run)
        in_browser: list[float] = await page.evaluate("window.ages")
        heap = await page.evaluate("performance.memory ? performance.memory.usedJSHeapSize / 1e6 : 0")
        await browser.close()
    grown = await memory
    _say_ages("dashboard", ages)
    _say_ages("browser", in_browser)
    for name, (third, two, end) in grown.items():
        _say(
            f"memory of the {name}: {third:.1f} MB, {two:.1f} MB and {end:.1f} MB after each third of the time"
        )
    _say(f"the page's heap at its end: {heap:.1f} MB")


def _await_store() -> None:
    database = Path(os.environ["ASYNCFLOW_HOME"], "asyncflow.db")
    while not database.exists():
        time.sleep(0.02)
    time.sleep(1)


async def _dashboard(run: subprocess.Popen[bytes]) -> list[float]:
    """Look at the dashboard's screen until the run has ended; return how old each state was when it was seen."""
    from asyncflow.tui.app import Dashboard

    ages: list[float] = []
    app = Dashboard(os.environ["ASYNCFLOW_HOME"], run=1, task=1)
    async with app.run_test(size=(120, 50)) as pilot:
        await pilot.pause(0.5)
        await pilot.press("c")
        last = ""
        while run.poll() is None:
            text = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
            found = _STAMP.search(text)
            if found and found[1] != last:
                last = found[1]
                ages.append(time.time() - float(last))
            await asyncio.sleep(0.02)
        app.exit()
    return ages


async def _memory(
    run: subprocess.Popen[bytes], server: int, seconds: float
) -> dict[str, tuple[float, float, float]]:
    """Return MB of task and server: after each third of the time."""
    await asyncio.sleep(seconds / 3)
    processes: dict[str, Any] = {"task": _task_of(run.pid), "card server": psutil.Process(server)}
    first = {name: _mb(process) for name, process in processes.items()}
    await asyncio.sleep(seconds / 3)
    second = {name: _mb(process) for name, process in processes.items()}
    last = dict(second)
    while run.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            for name, process in processes.items():
                last[name] = _mb(process)
        await asyncio.sleep(1)
    return {name: (first[name], second[name], last[name]) for name in processes}


def _task_of(pid: int) -> psutil.Process:
    """Return the process that works: of those below the scheduler the one with the most processor time."""
    return max(psutil.Process(pid).children(recursive=True), key=lambda child: child.cpu_times().user)


def _mb(process: psutil.Process) -> float:
    found: float = process.memory_full_info().uss / 1e6
    return found


def _slowed(flow: Path, rounds: int, pairs: int) -> None:
    """Compare the processor time of a busy loop, a tenth of a second a round, with refreshes and without, in turns."""
    times: dict[str, list[float]] = {"false": [], "true": []}
    for _ in range(pairs):
        for shows in times:
            run = _begin(flow, min(rounds, 150), "--work", _BUSY, "--shows", shows, stdout=subprocess.PIPE)
            told, _ = run.communicate()
            found = re.search(rb"cpu_s ([0-9.]+)", told)
            if found:
                times[shows].append(float(found[1]))
    without, shown = statistics.median(times["false"]), statistics.median(times["true"])
    _say(
        f"processor time of the task: {without:.2f} s without refreshes, {shown:.2f} s with "
        f"({100 * (shown / without - 1):+.1f} %; all: {times})"
    )


def _begin(flow: Path, rounds: int, *more: str, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    line = [
        sys.executable,
        "-m",
        "asyncflow",
        "run",
        str(flow),
        "--rounds",
        str(rounds),
        "--ui",
        "plain",
        *more,
    ]
    return subprocess.Popen(line, stdout=stdout)


def _say_ages(where: str, ages: list[float]) -> None:
    if ages:
        ordered = sorted(ages[2:] or ages)
        _say(
            f"{where}: {len(ages)} states seen, {statistics.median(ordered):.2f} s after they were set (median), "
            f"95 %: {ordered[int(len(ordered) * 0.95)]:.2f} s, at most {ordered[-1]:.2f} s"
        )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(
        float(sys.argv[1]) if len(sys.argv) > 1 else 60.0,
        int(sys.argv[2]) if len(sys.argv) > 2 else 2,
    )
