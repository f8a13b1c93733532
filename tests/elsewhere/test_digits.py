"""The digits example here, in pods and in Batch jobs: the same file, the same artifacts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.elsewhere.story import EXAMPLES, Machine
from tests.services import moto
from tests.services.batch.handle import Batch
from tests.services.kube.fixture import Kube

DIGITS = str(EXAMPLES / "digits_sweep.py")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], str]:
    """The artifacts of a run on this machine."""
    machine = Machine.at(tmp_path_factory.mktemp("here"))
    machine.run("run", DIGITS)
    return machine.digests(1)


@pytest.mark.wide
@pytest.mark.timeout(300)
def test_the_digits_sweep_in_pods_makes_the_same_artifacts(
    here: dict[tuple[str, str, str], str], kube: Kube, bucket: str, aws: str, tmp_path: Path
) -> None:
    keys = ",".join(
        f"--from-literal={name}={value}"
        for name, value in moto.KEYS.items()
        if "SECRET" in name or "ACCESS" in name
    )
    kube.kubectl("create", "secret", "generic", "aws", *keys.split(","))
    machine = Machine.at(
        tmp_path / "scheduler",
        **moto.environment(aws),
        KUBECONFIG=str(kube.config),
        ASYNCFLOW_STORE=f"s3://{bucket}/runs",
    )

    said = machine.run(
        "run",
        DIGITS,
        "--with",
        f"kubernetes:secrets=aws,memory=500,executable={sys.executable}",
        within_s=280,
    )

    assert "Best: SVM gamma=0.001" in said
    assert machine.digests(1) == here
    assert kube.kubectl("get", "pods", "-o", "name") == "", "every pod was removed once it had been told of"


@pytest.mark.wide
@pytest.mark.timeout(300)
def test_the_digits_sweep_in_batch_jobs_makes_the_same_artifacts(
    here: dict[tuple[str, str, str], str], batch: Batch, tmp_path: Path
) -> None:
    machine = Machine.at(
        tmp_path / "scheduler", **batch.environment(), ASYNCFLOW_STORE=f"s3://{batch.bucket}/runs"
    )

    said = machine.run(
        "run",
        DIGITS,
        "--with",
        f"batch:queue={batch.queue},iam_role={batch.job_role},image=asyncflow/hostpy:1,executable={sys.executable}",
        within_s=280,
    )

    assert "Best: SVM gamma=0.001" in said
    assert machine.digests(1) == here
