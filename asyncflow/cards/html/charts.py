"""Charts as SVG that may stand in a page: drawn by vl-convert in a process beside, then cleaned."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from asyncflow.cards.html.clean_svg import clean_svg

__all__ = ["Charts", "Drawn"]

_WITHIN_S = 15.0
_MOST_KEPT = 64
_MOST_SVG = 4_000_000
_MISSING = (
    "The chart is not drawn, as vl-convert-python is not installed: pip install 'asyncflow-run[cards]'."
)
_NO_LINKS_IN = ("values", "datasets")


class Drawn(NamedTuple):
    """A chart, or why there is none."""

    svg: str
    note: str
    is_paper: bool = False
    """The chart has a background of its own, so that text on it must be dark."""


class Charts:
    """Draws charts; keeps the process for it, and what was drawn last, until closed. For one thread at a time.

    Nothing is started before the first chart. What a specification does to the process harms nobody: it is ended after
    `within_s` seconds, or when it needs more than 2 GB.
    """

    def __init__(self, within_s: float = _WITHIN_S) -> None:
        self._within_s = within_s
        self._process: subprocess.Popen[bytes] | None = None
        self._kept: OrderedDict[str, Drawn] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process. Safe to call twice."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def draw(self, spec: str) -> Drawn:
        """Return a chart as SVG. Blocks: 0.4 s the first, then some 30 ms each, at most `within_s`."""
        found = self._kept.get(spec)
        if found is None:
            found = self._kept[spec] = self._drawn(spec)
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return found

    def _drawn(self, spec: str) -> Drawn:
        try:
            data = json.loads(spec)
        except (ValueError, RecursionError):
            return Drawn("", "The chart's description is no JSON.")
        if not isinstance(data, dict):
            return Drawn("", "The chart's description is no JSON object.")
        answer = self._asked(_without_links(data, 0))
        error = answer.get("error")
        if error == "missing":
            return Drawn("", _MISSING)
        if error is not None:
            self.close()  # an error may leave the engine in a state in which the next chart fails, too
            return Drawn("", f"The chart cannot be drawn: {_short(str(error))}")
        svg = clean_svg(str(answer["svg"])[:_MOST_SVG])
        return Drawn(svg, "" if svg else "The chart is too large to be drawn.", _has_background(data))

    def _asked(self, spec: Mapping[str, Any]) -> Mapping[str, Any]:
        line = json.dumps({"spec": spec}).encode() + b"\n"
        try:
            process = self._running()
            _write(process, line)
            told = _read_line(process, time.monotonic() + self._within_s)
        except TimeoutError:
            self.close()
            return {"error": f"drawing it takes longer than {self._within_s:g} s"}
        except (OSError, EOFError):
            self.close()
            return {"error": "drawing it takes more memory than is given to a chart"}
        answer: Mapping[str, Any] = json.loads(told)
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            script = os.path.join(os.path.dirname(__file__), "drawing_main.py")
            self._process = subprocess.Popen(
                [sys.executable, "-P", script],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        return self._process


def _write(process: subprocess.Popen[bytes], line: bytes) -> None:
    assert process.stdin is not None
    view = memoryview(line)
    while view:
        view = view[process.stdin.write(view) or 0 :]


def _read_line(process: subprocess.Popen[bytes], until: float) -> bytes:
    assert process.stdout is not None
    fd = process.stdout.fileno()
    parts: list[bytes] = []
    while True:
        left = until - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            raise TimeoutError
        part = os.read(fd, 1 << 20)
        if not part:
            raise EOFError
        parts.append(part)
        if part.endswith(b"\n"):
            return b"".join(parts)


def _without_links(value: Any, depth: int) -> Any:
    """Return a specification without `href`: nothing leads away from a card's chart, and vl-convert trips over them."""
    if depth > 60:
        return None
    if isinstance(value, dict):
        return {
            key: item if key in _NO_LINKS_IN else _without_links(item, depth + 1)
            for key, item in value.items()
            if key != "href"
        }
    if isinstance(value, list):
        return [_without_links(item, depth + 1) for item in value]
    return value


def _has_background(spec: Mapping[str, Any]) -> bool:
    config = spec.get("config")
    colours = (spec.get("background"), config.get("background") if isinstance(config, Mapping) else None)
    return any(isinstance(colour, str) and colour not in ("", "transparent", "none") for colour in colours)


def _short(error: str) -> str:
    lines = [
        line.strip() for line in error.splitlines() if line.strip() and not line.strip().startswith("at ")
    ]
    return " ".join(lines[:3]).removeprefix("Vega-Lite to SVG conversion failed:").strip()[:300]
