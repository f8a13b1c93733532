"""What may happen to pods, and what a run's own output says of it."""

from __future__ import annotations

import re

import pytest

from asyncflow.store.s3.keys import claim_key
from tests.elsewhere.aws import going
from tests.elsewhere.pods import Pods, flow
from tests.services.kube.faults import wait_until
from tests.services.kube.orders import Trouble


def names(pods: Pods) -> list[str]:
    """Return what the pods are called that are there."""
    return [str(pod["metadata"]["name"]) for pod in pods.left()]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_what_happens_to_pods_is_on_the_screen(pods: Pods) -> None:
    faults = pods.kube.faults
    fates = [
        faults.pod(Trouble.EVICTED, "reclaimed", after_s=1),
        faults.pod(Trouble.OOM_KILLED, "too.big", after_s=1),
        faults.no_image("missing"),
    ]
    machine = pods.machine(ASYNCFLOW_KUBERNETES_SECRETS="aws", ASYNCFLOW_KUBERNETES_START_LIMIT_SECONDS="12")
    with going(machine, "run", flow("pod_mishaps")) as run:
        claim = f"runs/{claim_key(1, 5, 0)}"
        wait_until(lambda: claim in pods.keys("/claims/"), "its worker has begun", 60)
        (ended,) = [name for name in names(pods) if "-ended-5-" in name]
        pods.kube.kubectl("delete", "pod", ended, "--wait=false")
        said, _ = run.communicate(timeout=160)

    assert run.returncode == 0, said
    assert [fate.fired > 0 for fate in fates] == [True] * 3
    told = re.findall(
        r"\[1/(\w+)/\d\] (Task was lost, and starts again: .*|[\w ]+ on kubernetes: .*|Task is pend.*)", said
    )
    last = [text for step, text in told if step == "no_image" and text.startswith("image on")]
    assert last[0].split(": ")[1] in ("ErrImagePull", "ImagePullBackOff"), "which of both it is changes"
    assert set(told) - {("no_image", last[0])} == {
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
        ("ended", "stopped on kubernetes: the pod was deleted by somebody, not by asyncflow"),
    }
    assert len(told) == len(set(told)), "reasons that take turns are told once"
    assert sorted(re.findall(r"trouble: (None|[\w.]+)", said)) == [
        "None",
        "None",
        "asyncflow.ImageError",
        "asyncflow.WorkerLost",
    ]
    assert names(pods) == [], "nothing lives on"
