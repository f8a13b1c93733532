"""Results as a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.runner import Result
from benchmarks.workloads import MEGABYTE

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["table_of", "verdicts_of"]


def table_of(results: Sequence[Result]) -> Table:
    """Return one block of lines a workload, one line a contender."""
    from rich.table import Table

    table = Table(title="asyncflow benchmarks, medians", highlight=False)
    for heading in ("workload", "who"):
        table.add_column(heading, no_wrap=True)
    for heading in ("wall s", "measured", "ratio", "CPU s", "peak MB", "tree MB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        _add(table, result)
    return table


def verdicts_of(results: Sequence[Result]) -> Iterator[str]:
    """Yield one line for each figure that must be reached: row of the issue's table, what was reached, the bound."""
    for result in results:
        for verdict in result.verdicts:
            bound = verdict.bound
            sign = ">=" if bound.is_at_least else "<="
            mark = "ok " if verdict.is_kept else "NOT"
            yield (
                f"{mark} #{result.workload.row} {result.workload.name}: {bound.what} "
                f"{verdict.figure:.4g} {bound.unit} ({sign} {bound.limit:g})"
            )


def _add(table: Table, result: Result) -> None:
    column = result.workload.column
    ours = result.medians["asyncflow"][column]
    for name, medians in result.medians.items():
        measured = medians.get(column)
        table.add_row(
            result.workload.name if name == "asyncflow" else "",
            name,
            f"{medians['wall_s']:.3f}",
            f"{measured:.3f}" if measured is not None and column != "wall_s" else "",
            f"{measured / ours:.2f}x" if measured is not None and name != "asyncflow" else "",
            f"{medians['cpu_s']:.2f}",
            f"{medians['largest_bytes'] / MEGABYTE:.0f}",
            f"{medians['tree_bytes'] / MEGABYTE:.0f}" if medians["tree_bytes"] else "",
            end_section=name == list(result.medians)[-1],
        )
