"""One run in three places."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.elsewhere.aws import machine_at
from tests.services import moto
from tests.services.batch.handle import Batch
from tests.services.kube.fixture import Kube

FLOW = str(Path(__file__).parent / "flows" / "hybrid.py")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_steps_of_one_run_are_here_in_a_job_and_in_a_pod(batch: Batch, kube: Kube, tmp_path: Path) -> None:
    keys = [
        f"--from-literal={name}={moto.KEYS[name]}" for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    ]
    kube.kubectl("create", "secret", "generic", "aws", *keys)
    machine = machine_at(tmp_path / "here", batch, KUBECONFIG=str(kube.config), PYTHON=sys.executable)

    said = machine.run("run", FLOW, within_s=150)

    assert "places: ['here', 'aws-batch', 'kubernetes', 'here']" in said
