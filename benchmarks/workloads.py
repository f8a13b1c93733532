"""The workloads: what runs, who takes part, and the figures that must be reached on a two-core machine."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contenders import Contender, Place, asyncflow_command, asyncflow_run, bare, metaflow_run
from benchmarks.measure import Measured, measure

__all__ = ["MEGABYTE", "Bound", "Sizes", "Workload", "workloads"]

MEGABYTE = 2**20

WITHOUT_ARRAY_BYTES = 60 * MEGABYTE
"""What a worker with NumPy takes without any array."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How large the workloads are; the figures hold for the defaults."""

    foreach: int = 100
    wide_foreach: int = 1_000
    sequence: int = 200
    simulated: tuple[int, ...] = (100_000, 1_000_000)
    array_mb: int = 512
    resumed: int = 10_000
    idle_s: float = 20.0
    async_tasks: tuple[int, ...] = (1_000, 10_000)
    metaflow_long: bool = False
    """Whether Metaflow takes part in the wide foreach and the sequence too: ten minutes and two, a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A figure that must be reached: `figure(asyncflow, other)` is at most (or at least) `limit`."""

    what: str
    figure: Callable[[Mapping[str, float], Mapping[str, float]], float]
    """Of the medians of asyncflow and of the contender named in `against`, by column."""
    limit: float
    is_at_least: bool = False
    against: str | None = None
    """Name of the other contender. None: asyncflow alone."""
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One line of the table."""

    name: str
    row: int
    """Row in the table of the issue that asks for it: the founding one, or for `async...` the third."""
    what: str
    contenders: Sequence[Contender]
    bounds: Sequence[Bound]
    column: str = "wall_s"
    """What is compared: a field of `Measured`, or a figure that `figures` takes from the output."""
    figures: Callable[[Measured], dict[str, float]] = field(default=lambda _: {})
    """More figures, from the output of a run."""
    prepare: Callable[[Path, Contender], None] | None = None
    """Fills a contender's directory once, before its first run; then all its runs share it."""
    runs: int | None = None
    """Runs of each contender; None: as many as the command line says."""


def workloads(place: Place, sizes: Sizes) -> list[Workload]:
    """Return all workloads, in the order of the issue's table."""
    return [
        hello(place),
        foreach(place, sizes),
        wide_foreach(place, sizes),
        sequence(place, sizes),
        *(simulated(width) for width in sizes.simulated),
        *(async_foreach(place, width) for width in sizes.async_tasks),
        async_nothing(place, sizes.async_tasks[-1]),
        async_cancel(sizes),
        array(place, sizes),
        resume(place, sizes),
        start("import asyncflow", ["-c", "import asyncflow"], place, limit_ms=60),
        start("asyncflow --help", [asyncflow_command(), "--help"], place, limit_ms=150),
        idle(place, sizes),
    ]


def hello(place: Place) -> Workload:
    """Row 2: the whole process of a small flow."""
    return Workload(
        name="hello4",
        row=2,
        what="linear flow of 4 steps, whole process",
        contenders=[asyncflow_run("hello4", place=place), *metaflow_run("hello4", place=place)],
        bounds=[
            Bound(what="wall", figure=lambda us, _: us["wall_s"], limit=0.30, unit="s"),
            faster_than_metaflow(6),
        ],
    )


def foreach(place: Place, sizes: Sizes) -> Workload:
    """Row 3, against Metaflow."""
    width = ("--width", str(sizes.foreach))
    return Workload(
        name=f"foreach{sizes.foreach}",
        row=3,
        what=f"foreach over {sizes.foreach}, join sums",
        contenders=[
            asyncflow_run("foreach", *width, place=place),
            *metaflow_run("foreach", *width, place=place),
        ],
        bounds=[faster_than_metaflow(100)],
    )


def wide_foreach(place: Place, sizes: Sizes) -> Workload:
    """Row 3, against a loop that only forks."""
    tasks = sizes.wide_foreach
    width = ("--width", str(tasks))
    against_metaflow = metaflow_run("foreach", *width, place=place) if sizes.metaflow_long else []
    return Workload(
        name=f"foreach{tasks}",
        row=3,
        what=f"foreach over {tasks:,}, a process per task, join sums",
        contenders=[
            asyncflow_run("foreach", *width, place=place),
            bare("-m", "benchmarks.fork_loop", str(tasks)),
            *against_metaflow,
        ],
        bounds=[
            Bound(what="wall", figure=lambda us, _: us["wall_s"], limit=2.5 * tasks / 1000, unit="s"),
            Bound(
                what="tasks/s",
                figure=lambda us, _: tasks / us["wall_s"],
                limit=400,
                is_at_least=True,
                unit="/s",
            ),
            Bound(what="CPU per task", figure=lambda us, _: us["cpu_s"] / tasks * 1e3, limit=3.0, unit="ms"),
            Bound(
                what="of the bare fork loop",
                figure=lambda us, loop: us["wall_s"] / loop["wall_s"],
                limit=1.6,
                against="bare loop",
                unit="x",
            ),
        ],
    )


def sequence(place: Place, sizes: Sizes) -> Workload:
    """Row 4: one step after the other."""
    flow = str(write_sequence(place.directory, sizes.sequence))
    against_metaflow = metaflow_run(flow, place=place) if sizes.metaflow_long else []
    return Workload(
        name=f"sequence{sizes.sequence}",
        row=4,
        what=f"{sizes.sequence} steps one after the other",
        contenders=[asyncflow_run(flow, place=place), *against_metaflow],
        bounds=[
            Bound(
                what="per step",
                figure=lambda us, _: us["wall_s"] / sizes.sequence * 1e3,
                limit=6.0,
                unit="ms",
            )
        ],
    )


def simulated(width: int) -> Workload:
    """Row 5: the scheduler and the real log, without processes."""
    limit_mb = 300 if width <= 100_000 else 1_229
    return Workload(
        name=f"scheduler{width}",
        row=5,
        what=f"scheduler alone, simulated backend, real log: foreach over {width:,}",
        contenders=[
            Contender(
                name="asyncflow", command=[sys.executable, "-m", "benchmarks.scheduler_alone", str(width)]
            )
        ],
        column="run_s",
        figures=figures_in_output,
        bounds=[
            Bound(
                what="tasks/s",
                figure=lambda us, _: width / us["run_s"],
                limit=8_000,
                is_at_least=True,
                unit="/s",
            ),
            Bound(
                what="peak memory",
                figure=lambda us, _: us["largest_bytes"] / MEGABYTE,
                limit=limit_mb,
                unit="MB",
            ),
        ],
        runs=None if width <= 100_000 else 1,
    )


def async_foreach(place: Place, width: int) -> Workload:
    """Issue 3, row 1: async tasks that each wait 100 ms and store an artifact."""
    return Workload(
        name=f"async{width}",
        row=1,
        what=f"foreach over {width:,} async tasks: await 100 ms, one artifact each",
        contenders=[asyncflow_run("async_foreach", "--width", str(width), place=place)],
        bounds=[
            Bound(
                what="whole process",
                figure=lambda us, _: us["wall_s"],
                limit=1.5 if width <= 1_000 else 12.0,
                unit="s",
            ),
            Bound(
                what="memory of all processes",
                figure=lambda us, _: us["tree_bytes"] / MEGABYTE,
                limit=400,
                unit="MB",
            ),
        ],
    )


def async_nothing(place: Place, width: int) -> Workload:
    """Issue 3, row 2: what recording an async task that does nothing costs."""
    arguments = ("--width", str(width), "--wait", "0", "--store", "no")
    return Workload(
        name=f"async_nothing{width}",
        row=2,
        what=f"foreach over {width:,} async tasks that do nothing",
        contenders=[asyncflow_run("async_foreach", *arguments, place=place)],
        bounds=[
            Bound(
                what="wall per task", figure=lambda us, _: us["wall_s"] / width * 1e3, limit=1.0, unit="ms"
            ),
            Bound(what="cpu per task", figure=lambda us, _: us["cpu_s"] / width * 1e3, limit=1.0, unit="ms"),
        ],
    )


def async_cancel(sizes: Sizes) -> Workload:
    """Issue 3, row 5: from Ctrl-C to the end of a run of async tasks."""
    running, waiting = sizes.async_tasks[0], sizes.async_tasks[-1]
    command = [sys.executable, "-m", "benchmarks.async_cancel", str(running), str(waiting)]
    return Workload(
        name="async_cancel",
        row=5,
        what=f"cancel of {running:,} running and {waiting:,} waiting async tasks",
        contenders=[Contender(name="asyncflow", command=command)],
        column="cancel_s",
        figures=figures_in_output,
        bounds=[Bound(what="cancel", figure=lambda us, _: us["cancel_s"], limit=2.0, unit="s")],
    )


def array(place: Place, sizes: Sizes) -> Workload:
    """Row 6: a large array as an artifact."""
    megabytes = ("--megabytes", str(sizes.array_mb))
    size = sizes.array_mb * MEGABYTE
    return Workload(
        name=f"array{sizes.array_mb}",
        row=6,
        what=f"{sizes.array_mb} MB NumPy array out of one step, into the next",
        contenders=[
            asyncflow_run("big_array", *megabytes, place=place),
            bare("-m", "benchmarks.bare_file", str(sizes.array_mb)),
            *metaflow_run("big_array", *megabytes, place=place),
        ],
        column="way_s",
        figures=figures_in_output,
        bounds=[
            Bound(
                what="of a bare write and read",
                figure=lambda us, file: us["way_s"] / file["way_s"],
                limit=1.5,
                against="bare loop",
                unit="x",
            ),
            Bound(
                what="extra memory / size",
                figure=lambda us, _: (us["largest_bytes"] - WITHOUT_ARRAY_BYTES) / size,
                limit=1.2,
                unit="x",
            ),
        ],
    )


def resume(place: Place, sizes: Sizes) -> Workload:
    """Row 7: how soon a resumed run does something new."""
    command = [asyncflow_command(), "resume", "1", "--max-workers", str(place.slots)]

    def run_until_it_fails(home: Path, contender: Contender) -> None:
        first = asyncflow_run("resume", "--width", str(sizes.resumed), place=place)
        done = measure(first.command, env=first.environment(home), cwd=str(home))
        if "BEGAN_AT" not in done.output:
            raise SystemExit(f"the run to be resumed by {contender.name} did not get there:\n{done.output}")

    return Workload(
        name=f"resume{sizes.resumed}",
        row=7,
        what=f"resume of a failed run with {sizes.resumed:,} finished tasks: until the first new task starts",
        contenders=[Contender(name="asyncflow", command=command, env={"BENCH_HEALED": "1"})],
        column="began_s",
        figures=figures_in_output,
        prepare=run_until_it_fails,
        bounds=[Bound(what="first new task", figure=lambda us, _: us["began_s"], limit=2.0, unit="s")],
    )


def start(name: str, arguments: list[str], place: Place, *, limit_ms: float) -> Workload:
    """Row 8: how long a start takes over a bare interpreter's."""
    command = [sys.executable, *arguments] if arguments[0] == "-c" else arguments
    metaflow: list[Contender] = []
    if place.metaflow_python is not None and arguments[0] == "-c":
        metaflow = [Contender(name="metaflow", command=[place.metaflow_python, "-c", "import metaflow"])]
    return Workload(
        name=name.replace(" ", "_"),
        row=8,
        what=f"{name}, over a bare interpreter",
        contenders=[Contender(name="asyncflow", command=command), bare("-c", "pass"), *metaflow],
        bounds=[
            Bound(
                what="over a bare interpreter",
                figure=lambda us, pass_: (us["wall_s"] - pass_["wall_s"]) * 1e3,
                limit=limit_ms,
                against="bare loop",
                unit="ms",
            )
        ],
    )


def idle(place: Place, sizes: Sizes) -> Workload:
    """Row 9: what the scheduler uses while it waits."""
    return Workload(
        name="idle",
        row=9,
        what=f"processor time of scheduler and zygote while one task sleeps {sizes.idle_s:g} s",
        contenders=[asyncflow_run("idle", "--seconds", str(sizes.idle_s), place=place)],
        column="idle_cpu_s",
        figures=figures_in_output,
        bounds=[Bound(what="processor time", figure=lambda us, _: us["idle_cpu_s"], limit=0.1, unit="s")],
    )


def faster_than_metaflow(times: float) -> Bound:
    """Compare the whole processes."""
    return Bound(
        what="faster than Metaflow",
        figure=lambda us, them: them["wall_s"] / us["wall_s"],
        limit=times,
        is_at_least=True,
        against="metaflow",
        unit="x",
    )


def figures_in_output(measured: Measured) -> dict[str, float]:
    """Read the figures that a flow or loop printed as `NAME value`; BEGAN_AT becomes a time since the start."""
    found = dict(re.findall(r"\b(WAY_S|CANCEL_S|BEGAN_AT|IDLE_CPU_S|RUN_S) ([0-9.]+)", measured.output))
    figures = {name.lower(): float(value) for name, value in found.items()}
    if "began_at" in figures:
        figures["began_s"] = figures.pop("began_at") - measured.started_at
    return figures


def write_sequence(directory: Path, steps: int) -> Path:
    """Write a flow of `steps` steps in a row."""
    names = ["start", *(f"step_{number}" for number in range(1, steps - 1)), "end"]
    lines = ["from asyncflow import FlowSpec, step", "", "", "class SequenceFlow(FlowSpec):"]
    for name, following in zip(names, [*names[1:], ""], strict=True):
        lines += ["    @step", f"    def {name}(self):", f"        self.last = {name!r}"]
        lines += [f"        self.next(self.{following})", ""] if following else [""]
    lines += ["", "if __name__ == '__main__':", "    SequenceFlow()", ""]
    path = directory / "sequence.py"
    path.write_text("\n".join(lines))
    return path
