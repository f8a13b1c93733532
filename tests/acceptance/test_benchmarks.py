"""The benchmarks run; what they say about speed is for a quiet machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("psutil", reason="the benchmarks measure with psutil")

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.wide
@pytest.mark.timeout(180)
def test_every_workload_runs_in_its_tiny_form(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "--tiny",
        "--json",
        str(figures),
        "--directory",
        str(tmp_path),
    ]

    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    workloads = json.loads(figures.read_text())["workloads"]
    assert {workload["row"] for workload in workloads} == set(range(1, 10))
    for workload in workloads:
        assert workload["medians"]["asyncflow"][workload["column"]] > 0, workload["name"]
