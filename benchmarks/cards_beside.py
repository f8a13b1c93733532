"""A card beside Metaflow's: `python -m benchmarks.cards_beside METAFLOW_PYTHON [PAIRS]`.

One flow, word for word the same but for what it imports: a card with a table of 1,000 rows, a chart and a picture. Runs
with `--with card` and without are done in turns; the difference of their times is what the card costs, its file's size
is what `card get` gives. 3 pairs by default.
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

__all__: list[str] = []

_FLOW = """
import os
from MODULE import FlowSpec, current, step
from MODULE.cards import Image, Table, VegaChart

VALUES = [{"epoch": at, "loss": at * at % 17 + at / 3, "fold": "xyz"[at % 3]} for at in range(300)]
SPEC = {
    "width": 420, "data": {"values": VALUES}, "mark": {"type": "line", "point": True},
    "encoding": {"x": {"field": "epoch", "type": "quantitative"}, "y": {"field": "loss", "type": "quantitative"},
                 "color": {"field": "fold"}},
}

class CardsFlow(FlowSpec):
    @step
    def start(self):
        if hasattr(current, "card"):
            rows = [[str(row), str(row * 1.5), f"name {row}", str(row % 7), "x"] for row in range(1000)]
            current.card.append(Table(rows, headers=["number", "score", "name", "group", "mark"]))
            current.card.append(VegaChart(SPEC))
            current.card.append(Image(b"\\x89PNG\\r\\n\\x1a\\n" + os.urandom(50_000)))
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    CardsFlow()
"""
_PICTURE_BYTES = 50_000 * 4 / 3


def main(metaflow_python: str, pairs: int) -> None:
    """Measure and say."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        os.environ.update(
            ASYNCFLOW_HOME=str(home / ".asyncflow"), METAFLOW_HOME=str(home / "mf"), METAFLOW_USER="bench",
            METAFLOW_DATASTORE_SYSROOT_LOCAL=directory, USERNAME="bench",
        )  # fmt: skip
        for name, python in (("asyncflow", sys.executable), ("metaflow", metaflow_python)):
            flow = home / f"{name}_flow.py"
            flow.write_text(_FLOW.replace("MODULE", name))
            _compare(name, [python, str(flow), *(["--no-pylint"] if name == "metaflow" else [])], home, pairs)


def _compare(name: str, command: list[str], home: Path, pairs: int) -> None:
    times: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for _ in range(pairs):
        for has_card in times:
            times[has_card].append(_timed([*command, "run", *(["--with", "card"] if has_card else [])], home))
    wall, cpu = (
        statistics.median(one[at] for one in times[True]) - statistics.median(one[at] for one in times[False])
        for at in (0, 1)
    )
    target = _latest(name, command, home)
    html = subprocess.run([*command, "card", "get", target], cwd=home, capture_output=True, check=True).stdout
    sys.stdout.write(
        f"{name}: two cards cost {1e3 * wall:.0f} ms of a run ({1e3 * cpu:.0f} ms of processor time); the file with "
        f"table, chart and picture has {(len(html) - _PICTURE_BYTES) / 1e3:.0f} KB without the picture\n"
    )
    sys.stdout.flush()


def _latest(name: str, command: list[str], home: Path) -> str:
    if name == "asyncflow":
        return "latest/start"
    number = (home / ".metaflow" / "CardsFlow" / "latest_run").read_text().strip()
    return f"{number}/start"


def _timed(line: list[str], home: Path) -> tuple[float, float]:
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(line, cwd=home, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (
        time.perf_counter() - begun,
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3)
