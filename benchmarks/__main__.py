"""`python -m benchmarks`: see benchmarks/README.md."""

from __future__ import annotations

import json
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from benchmarks.contenders import Place
from benchmarks.runner import Result, run_workload, to_data
from benchmarks.table import table_of, verdicts_of
from benchmarks.workloads import Sizes, Workload, workloads

TINY = Sizes(
    foreach=10,
    wide_foreach=20,
    sequence=5,
    simulated=(1_000,),
    array_mb=16,
    resumed=20,
    idle_s=1.0,
    async_tasks=(20,),
)
"""Shows that everything runs; says nothing about speed."""

WIDTH = 110
"""Columns of the table, on a narrow terminal and in a file too."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1)
@click.option("--runs", default=5, show_default=True, help="Runs of each contender; medians are compared.")
@click.option("--metaflow-python", metavar="PYTHON", help="Interpreter of an environment that has Metaflow.")
@click.option(
    "--metaflow-long", is_flag=True, help="Metaflow runs the wide foreach and the sequence too: an hour."
)
@click.option("--tiny", is_flag=True, help="Tiny sizes, one run: does it all work?")
@click.option("--max-workers", default=16, show_default=True, help="Of every flow.")
@click.option("--json", "json_file", default="benchmarks.json", show_default=True, help="Where figures go.")
@click.option("--directory", help="Scratch space, on the disk to be measured; a temporary one if left out.")
@click.option("--list", "is_listing", is_flag=True, help="Only name the workloads.")
def main(
    names: tuple[str, ...],
    *,
    runs: int,
    metaflow_python: str | None,
    metaflow_long: bool,
    tiny: bool,
    max_workers: int,
    json_file: str,
    directory: str | None,
    is_listing: bool,
) -> None:
    """Measure the workloads called NAMES (or starting so), or all of them."""
    console = Console(highlight=False, markup=False)
    console.width = max(console.width, WIDTH)
    sizes = replace(TINY if tiny else Sizes(), metaflow_long=metaflow_long)
    with tempfile.TemporaryDirectory(prefix="asyncflow-bench-", dir=directory) as scratch:
        place = Place(directory=Path(scratch), metaflow_python=metaflow_python, slots=max_workers)
        chosen = choose(workloads(place, sizes), names)
        if is_listing:
            for workload in chosen:
                console.print(f"{workload.name:18} {workload.what}")
            return
        results: list[Result] = []
        for workload in chosen:
            results.append(run_workload(workload, runs=1 if tiny else runs, scratch=Path(scratch), tell=tell))
            Path(json_file).write_text(json.dumps(report(results), indent=1))
    console.print(table_of(results))
    for line in () if tiny else verdicts_of(results):
        console.print(line, soft_wrap=True)
    console.print(f"Figures: {json_file}")


def tell(what: str) -> None:
    """Say what is being measured."""
    click.echo(what, err=True)


def choose(all_workloads: Sequence[Workload], names: Sequence[str]) -> list[Workload]:
    """Return the workloads whose name starts with one of `names`; all if there are none."""
    for name in names:
        if not any(workload.name.startswith(name) for workload in all_workloads):
            raise click.UsageError(f"there is no workload {name!r}; see --list")
    return [workload for workload in all_workloads if not names or workload.name.startswith(tuple(names))]


def report(results: Sequence[Result]) -> dict[str, object]:
    """Return everything measured, with what it was measured on."""
    import os

    return {
        "at": time.time(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "workloads": [to_data(result) for result in results],
    }


if __name__ == "__main__":
    main()
