"""What may happen to pods, and what a run's own output says of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from asyncflow.store.s3.keys import claim_key
from tests.elsewhere.aws import going
from tests.elsewhere.pods import keys, machine_for, pods
from tests.services.kube.faults import wait_until
from tests.services.kube.fixture import Kube
from tests.services.kube.orders import Trouble

MISHAPS = str(Path(__file__).parent / "flows" / "pod_mishaps.py")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_what_happens_to_pods_is_on_the_screen(kube: Kube, aws: str, bucket: str, tmp_path: Path) -> None:
    faults = kube.faults
    fates = [
        faults.pod(Trouble.EVICTED, "reclaimed", after_s=1),
        faults.pod(Trouble.OOM_KILLED, "too.big", after_s=1),
        faults.no_image("missing"),
    ]
    machine = machine_for(tmp_path / "here", kube, aws, bucket)
    with going(machine, "run", MISHAPS) as run:
        claim = claim_key(1, 5, 0).removeprefix("runs/")
        wait_until(lambda: claim in keys(aws, bucket, "1/claims/"), "its worker has begun", 60)
        (ended,) = [name for name in pods(kube) if "-ended-5-" in name]
        kube.kubectl("delete", "pod", ended, "--wait=false")
        said, _ = run.communicate(timeout=160)

    assert run.returncode == 0, said
    assert [fate.fired > 0 for fate in fates] == [True] * 3
    told = re.findall(
        r"\[1/(\w+)/\d\] (Task was lost, and starts again: .*|[\w ]+ on kubernetes: .*|Task is pend.*)", said
    )
    assert set(told) == {
        (
            "reclaimed",
            "Task was lost, and starts again: evicted on kubernetes: Evicted: The node was low on resource: "
            "memory. Threshold quantity: 100Mi.",
        ),
        ("too_big", "out of memory on kubernetes: needed more memory than it may have (128M)"),
        (
            "no_image",
            'Task is pending: ErrImagePull: failed to pull and unpack image "missing:1": missing:1: not found',
        ),
        ("no_image", 'Task is pending: ImagePullBackOff: Back-off pulling image "missing:1"'),
        ("no_image", 'image on kubernetes: ImagePullBackOff: Back-off pulling image "missing:1"'),
        ("ended", "stopped on kubernetes: the pod was deleted by somebody, not by asyncflow"),
    }
    assert len(told) == len(set(told)), "reasons that take turns are told once"
    assert sorted(re.findall(r"trouble: (None|[\w.]+)", said)) == [
        "None",
        "None",
        "asyncflow.ImageError",
        "asyncflow.WorkerLost",
    ]
    assert pods(kube) == [], "nothing lives on"
