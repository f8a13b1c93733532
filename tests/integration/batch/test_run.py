"""`asyncflow run --with batch`: the same flow, in jobs that really run; and a run goes on where its machine is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.batch.bench import submitted
from tests.services.batch.handle import IMAGE, Batch

FLOW = """
import time
from pathlib import Path
from asyncflow import FlowSpec, current, step

class Wide(FlowSpec):
    @step
    def start(self):
        self.items = list(range(12))
        self.next(self.work, foreach="items")

    @step
    def work(self):
        with open({scratch!r} + "/ran", "a") as ran:
            ran.write(f"{{self.input}}\\n")
        if self.input > 3:
            while not Path({scratch!r}, "go").exists():
                time.sleep(0.1)
        print("working on", self.input)
        self.double = self.input * 2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(each.double for each in inputs)
        self.next(self.end)

    @step
    def end(self):
        print("the total is", self.total)
"""


class Machine:
    """One that has nothing but the flow's file."""

    def __init__(self, home: Path, batch: Batch, aws: str) -> None:
        home.mkdir()
        self.home = home
        self.flow = home / "wide.py"
        self.flow.write_text(FLOW.format(scratch=str(home.parent)))
        self.environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": aws,
            "ASYNCFLOW_STORE": f"s3://{batch.bucket}/runs",
            "ASYNCFLOW_BATCH_JOB_QUEUE": batch.queue,
            "ASYNCFLOW_BATCH_CONTAINER_IMAGE": IMAGE,
            "ASYNCFLOW_ECS_S3_ACCESS_IAM_ROLE": batch.job_role,
            "ASYNCFLOW_HOME": str(home / ".asyncflow"),
            "ASYNCFLOW_USER": "ada",
        }

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "asyncflow", *words],
            cwd=self.home,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def ran(scratch: Path) -> list[int]:
    path = scratch / "ran"
    return sorted(map(int, path.read_text().split())) if path.exists() else []


@pytest.mark.wide
@pytest.mark.timeout(240)
def test_a_run_whose_machine_is_gone_goes_on_elsewhere_and_no_job_is_submitted_twice(
    batch: Batch, aws: str, tmp_path: Path
) -> None:
    first, second = (Machine(tmp_path / name, batch, aws) for name in ("first", "second"))
    with first.start("run", "wide.py", "--with", "batch", "--ui", "plain") as dies:
        batch.wait_until(lambda: len(ran(tmp_path)) == 12, "all twelve run", within_s=90)
        dies.kill()
    assert batch.calls()["batch:SubmitJob"] == 2

    with second.start("resume", "1", "--ui", "plain") as goes_on:
        (tmp_path / "go").touch()
        said = goes_on.communicate(timeout=150)[0]

    assert goes_on.returncode == 0, said
    assert "the total is 132" in said
    assert ran(tmp_path) == list(range(12))
    assert len(submitted(batch)) == 4
