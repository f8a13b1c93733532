"""What cards cost: `python -m benchmarks.cards [TASKS [SECONDS]]`, 1,000 and 10 by default.

One card with a 1,000-row table, a chart and a picture, as its task makes it and as a page; a foreach with a default
card in every task beside the same without; a loop that refreshes its card ten times a second, with how long
each state took to be seen.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from asyncflow.cards import Image, Table, VegaChart, tree
from asyncflow.cards.codec import pack
from asyncflow.cards.guard import nodes_of
from asyncflow.cards.html import Charts, page_html
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import CardRecord

__all__: list[str] = []

_PICTURE_BYTES = 50_000
_REPEATS = 5
_LOOP = '''
import json, time
from asyncflow import FlowSpec, Parameter, card, current, step
from asyncflow.cards import Metric, ProgressBar, Table

class LoopFlow(FlowSpec):
    refreshes = Parameter("refreshes", default=False, type=bool)
    seconds = Parameter("seconds", default=10.0)

    @card
    @step
    def start(self):
        """Works a tenth of a second of processor time, and shows how far it is, until the time is over."""
        curve, bar = Metric("loss"), ProgressBar(self.seconds * 10)
        current.card.extend([curve, bar, Table([[row, row * 2] for row in range(50)])])
        begun, rounds = time.process_time(), 0
        while time.process_time() - begun < self.seconds:
            until = time.process_time() + 0.1
            while time.process_time() < until:
                sum(number * number for number in range(1_000))
            rounds += 1
            curve.add(1 / rounds)
            bar.update(rounds, f"{time.time():.6f}")
            if self.refreshes:
                current.card.refresh()
        self.next(self.end)

    @step
    def end(self):
        pass
'''


def main(tasks: int, seconds: float) -> None:
    """Measure and say."""
    with tempfile.TemporaryDirectory() as directory:
        os.environ["ASYNCFLOW_HOME"] = os.path.join(directory, ".asyncflow")
        _one_card(directory)
        _many_tasks(tasks)
        _live(directory, seconds)


def _one_card(directory: str) -> None:
    store = LocalStore(f"{directory}/alone")
    picture = b"\x89PNG\r\n\x1a\n" + os.urandom(_PICTURE_BYTES)
    with Charts() as charts:
        for number in range(1 + _REPEATS):
            begun = time.perf_counter()
            nodes = nodes_of([_table(), VegaChart(_chart(number)), Image(picture)])
            body = pack(tree.Body(nodes=nodes))
            store.write_card(CardRecord("default", "", "", 0), body)
            made = time.perf_counter()
            html = page_html(tree.Page(nodes=nodes), charts=charts)
            drawn = time.perf_counter()
            if number in (0, _REPEATS):
                _say(
                    f"{'the first' if number == 0 else 'a later'} card: {1e3 * (made - begun):.1f} ms in its task, "
                    f"{1e3 * (drawn - made):.0f} ms to draw its page, "
                    f"{(len(html) - _PICTURE_BYTES * 4 / 3) / 1e3:.0f} KB without the picture"
                )


def _table() -> Table:
    rows = [[row, row * 1.5, f"name {row}", row % 7, "x"] for row in range(1_000)]
    return Table(rows, headers=["number", "score", "name", "group", "mark"])


def _chart(number: int) -> dict[str, object]:
    values = [{"epoch": at, "loss": at * at % 17 + at / 3, "fold": "xyz"[at % 3]} for at in range(300)]
    return {
        "title": f"Loss {number}",
        "width": 420,
        "data": {"values": values},
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {"field": "epoch", "type": "quantitative"},
            "y": {"field": "loss", "type": "quantitative"},
            "color": {"field": "fold"},
        },
    }


def _many_tasks(tasks: int) -> None:
    flow = str(Path(__file__).with_name("flows") / "foreach.py")
    times: dict[str, list[tuple[float, float]]] = {"without": [], "with": []}
    for _ in range(_REPEATS):
        for name, more in (("without", []), ("with", ["--with", "card"])):
            times[name].append(_timed("run", flow, "--width", str(tasks), "--ui", "none", *more))
    walls = {name: statistics.median(wall for wall, _ in found) for name, found in times.items()}
    cpus = {name: statistics.median(cpu for _, cpu in found) for name, found in times.items()}
    _say(
        f"{tasks:,} tasks: {walls['without']:.2f} s without cards, {walls['with']:.2f} s with "
        f"({100 * (walls['with'] / walls['without'] - 1):+.0f} %); processor time {cpus['without']:.2f} s and "
        f"{cpus['with']:.2f} s ({100 * (cpus['with'] / cpus['without'] - 1):+.0f} %)"
    )


def _timed(*args: str) -> tuple[float, float]:
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "asyncflow", *args], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begun, cpu


def _live(directory: str, seconds: float) -> None:
    from asyncflow.cards.codec import unpack
    from asyncflow.cards.live import read_live, stamp_of

    flow = Path(directory, "loop.py")
    flow.write_text(_LOOP)
    home = os.environ["ASYNCFLOW_HOME"]
    run = 2 * _REPEATS + 1  # those before were of the foreach
    command = [sys.executable, "-m", "asyncflow", "run", str(flow), "--ui", "none"]
    process = subprocess.Popen(
        [*command, "--seconds", str(seconds), "--refreshes", "true"], stdout=subprocess.DEVNULL
    )
    seen: list[float] = []
    last = None
    while process.poll() is None:
        stamp = stamp_of(home, run, 1, 0)
        if stamp is not None and stamp != last:
            last = stamp
            live = read_live(home, run, 1, 0)
            node = None if live is None else unpack(live.cards[0].inline or b"", tree.Body).nodes[1]
            if isinstance(node, tree.Progress) and node.details:
                seen.append(time.time() - float(node.details))
        time.sleep(0.005)
    if seen:
        _say(
            f"a loop that refreshes 10 times a second of its processor time: {len(seen)} states seen, "
            f"median {statistics.median(seen):.2f} s after they were set, at most {max(seen):.2f} s"
        )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000, float(sys.argv[2]) if len(sys.argv) > 2 else 10.0)
