"""Run workloads: the contenders of one take turns, each in a clean directory, and medians are compared."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.contenders import Contender
from benchmarks.measure import Measured, measure
from benchmarks.workloads import Bound, Workload

__all__ = ["Result", "Verdict", "run_workload", "to_data"]

REST_S = 0.2
"""Between two runs, for the machine to come to rest."""

COLUMNS = ("wall_s", "cpu_s", "largest_bytes", "tree_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A bound, and what was reached."""

    bound: Bound
    figure: float
    is_kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one workload gave."""

    workload: Workload
    runs: Mapping[str, Sequence[Mapping[str, float]]]
    """Every run's figures, by contender."""
    medians: Mapping[str, Mapping[str, float]]
    """By contender, by column."""
    verdicts: Sequence[Verdict]


def run_workload(workload: Workload, *, runs: int, scratch: Path, tell: Callable[[str], None]) -> Result:
    """Run every contender `runs` times, in turns. Raises SystemExit with the output if a run fails."""
    figures: dict[str, list[dict[str, float]]] = {contender.name: [] for contender in workload.contenders}
    shared = {contender.name: _prepared(workload, contender, scratch) for contender in workload.contenders}
    for number in range(workload.runs or runs):
        for contender in workload.contenders:
            tell(f"{workload.name}: {contender.name}, run {number + 1}")
            measured = _run(contender, shared[contender.name], scratch, is_sampled=False)
            figures[contender.name].append(_figures(workload, measured))
    medians = {name: _medians(rows) for name, rows in figures.items()}
    for contender in workload.contenders if workload.runs != 1 else ():
        tell(f"{workload.name}: {contender.name}, once more for its memory")
        sampled = _run(contender, shared[contender.name], scratch, is_sampled=True)
        medians[contender.name]["tree_bytes"] = float(sampled.tree_bytes)
    for home in filter(None, shared.values()):
        shutil.rmtree(home)
    return Result(workload=workload, runs=figures, medians=medians, verdicts=_verdicts(workload, medians))


def _run(contender: Contender, shared: Path | None, scratch: Path, *, is_sampled: bool) -> Measured:
    """Run a contender once. Raises SystemExit with its output if it fails."""
    home = shared or _fresh(scratch)
    measured = measure(
        contender.command, env=contender.environment(home), cwd=str(home), is_sampled=is_sampled
    )
    if measured.exit_code:
        raise SystemExit(f"{' '.join(contender.command)} exited {measured.exit_code}\n{measured.output}")
    if shared is None:
        shutil.rmtree(home)
    time.sleep(REST_S)
    return measured


def to_data(result: Result) -> dict[str, Any]:
    """Return a result as JSON-like data."""
    return {
        "name": result.workload.name,
        "row": result.workload.row,
        "what": result.workload.what,
        "column": result.workload.column,
        "medians": result.medians,
        "runs": result.runs,
        "verdicts": [
            {
                "what": verdict.bound.what,
                "figure": verdict.figure,
                "limit": verdict.bound.limit,
                "is_at_least": verdict.bound.is_at_least,
                "unit": verdict.bound.unit,
                "is_kept": verdict.is_kept,
            }
            for verdict in result.verdicts
        ],
    }


def _prepared(workload: Workload, contender: Contender, scratch: Path) -> Path | None:
    if workload.prepare is None:
        return None
    home = _fresh(scratch)
    workload.prepare(home, contender)
    return home


def _fresh(scratch: Path) -> Path:
    home = scratch / f"home_{time.monotonic_ns()}"
    home.mkdir()
    return home


def _figures(workload: Workload, measured: Measured) -> dict[str, float]:
    row = asdict(measured)
    return {column: float(row[column]) for column in COLUMNS} | workload.figures(measured)


def _medians(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {column: median(row[column] for row in rows) for column in rows[0]}


def _verdicts(workload: Workload, medians: Mapping[str, Mapping[str, float]]) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for bound in workload.bounds:
        if bound.against is not None and bound.against not in medians:
            continue
        figure = bound.figure(medians["asyncflow"], medians.get(bound.against or "", {}))
        is_kept = figure >= bound.limit if bound.is_at_least else figure <= bound.limit
        verdicts.append(Verdict(bound=bound, figure=figure, is_kept=is_kept))
    return verdicts
