"""A flow whose jobs are containers of a real Docker engine: the bootstrap, the code package, a real lack of memory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.elsewhere.aws import alive, going, jobs, machine_at
from tests.services.batch.handle import Batch

FLOW = str(Path(__file__).parent / "flows" / "in_docker.py")
BARE = "python:3.11"
"""An image that has a Python and nothing else."""


@pytest.mark.needs("docker")
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_run_in_containers(docker_batch: Batch, tmp_path: Path) -> None:
    machine = machine_at(tmp_path / "here", docker_batch, ASYNCFLOW_BATCH_CONTAINER_IMAGE=BARE)
    states: list[str] = []
    said: list[str] = []
    with going(machine, "run", FLOW) as run:
        for line in run.stdout or ():
            said.append(line)
            if "slow begins" in line:
                states += [job["status"] for job in jobs(docker_batch) if job["jobName"].endswith("-slow")]
        run.wait(timeout=20)
    text = "".join(said)

    assert run.returncode == 0, text
    assert states == ["RUNNING"], "what it prints is shown while it runs"
    assert text.index("slow begins") < text.index("slow ends")
    assert re.findall(r"large is tried, (\d)", text) == ["0", "1"]
    assert re.search(r"\] (out of memory[^\n]*)\n", text)
    assert "large was 262144000" in text
    assert alive(docker_batch) == []
