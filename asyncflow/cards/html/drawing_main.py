"""Draws charts in a process of its own: run by `charts`, which gives it specifications and may kill it at any time.

A specification is data of a task's; it can ask for a billion points, upon which the engine that draws takes the process
down. Nothing of asyncflow is imported here. A line of JSON in, a line of JSON out.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping
from typing import Any

__all__ = []

_MEMORY_BYTES = 2 << 30
_CPU_S = 300
_VERSIONS = {"v5": "5.21", "v4": "5.8"}
_CONFIG: Mapping[str, Any] = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": "transparent"},
    "axis": {
        "labelColor": "currentColor",
        "titleColor": "currentColor",
        "titleFontWeight": 500,
        "tickColor": "#8884",
        "domainColor": "#8888",
        "gridColor": "#8883",
        "labelFontSize": 11,
        "titleFontSize": 12,
    },
    "legend": {"labelColor": "currentColor", "titleColor": "currentColor", "titleFontWeight": 500},
    "title": {"color": "currentColor", "subtitleColor": "currentColor", "fontWeight": 600, "anchor": "start"},
    "header": {"labelColor": "currentColor", "titleColor": "currentColor"},
    "text": {"color": "currentColor"},
    "rule": {"color": "#888"},
    "range": {
        "category": [
            "#4c78dd", "#f28e2b", "#33a687", "#e15759", "#9d6fd0",
            "#c79a1f", "#3fa7c9", "#d96ba8", "#8a8f98", "#7aa93c",
        ]
    },
}  # fmt: skip
"""Text in the page's own colour, marks in colours that show on light and on dark."""


def _draw(asked: Mapping[str, Any]) -> str:
    import vl_convert

    spec = asked["spec"]
    schema = str(spec.get("$schema", ""))
    if "/vega/" in schema:
        return vl_convert.vega_to_svg(spec, allowed_base_urls=[])
    version = next((ours for theirs, ours in _VERSIONS.items() if f"/vega-lite/{theirs}" in schema), None)
    return vl_convert.vegalite_to_svg(spec, vl_version=version, config=dict(_CONFIG), allowed_base_urls=[])


def _main() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin.buffer:
        try:
            answer = {"svg": _draw(json.loads(line))}
        except ImportError:
            answer = {"error": "missing"}
        except ValueError as error:
            answer = {"error": str(error)[:2000]}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main()
