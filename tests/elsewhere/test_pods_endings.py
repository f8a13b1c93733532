"""Runs that are stopped while their pods run, or left by a scheduler that is dead, leave nothing on the cluster."""

from __future__ import annotations

import signal

import pytest

from tests.elsewhere.pods import Pods, flow
from tests.elsewhere.standin import Gate
from tests.services.faults import faulty
from tests.services.kube.faults import wait_until

WIDTH = 6
pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


@pytest.mark.parametrize("how", ["ctrl-c", "cancel"])
def test_a_run_that_is_stopped_leaves_no_pod(wide: Pods, gate: Gate, how: str) -> None:
    gate.admit(0)
    machine = wide.machine()
    running = machine.start("run", flow("pods_wide"), "--width", str(WIDTH))
    wait_until(lambda: len(wide.keys("/claims/")) == WIDTH, "all pods have begun")

    if how == "cancel":
        machine.run("cancel", "1")
    else:
        running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=40)

    assert running.returncode == 130, said
    assert "Run 1 was cancelled" in said
    assert wide.created() == WIDTH
    wait_until(lambda: wide.left() == [], "no pod is left")


def test_reap_removes_what_a_dead_scheduler_left(wide: Pods, gate: Gate) -> None:
    gate.admit(0)
    machine = wide.machine()
    running = machine.start("run", flow("pods_wide"), "--width", str(WIDTH))
    wait_until(lambda: len(wide.keys("/claims/")) == WIDTH, "all pods have begun")
    running.kill()
    running.communicate()
    assert len(wide.left()) == WIDTH

    assert "No orphans" in machine.run("reap", "--backend", "kubernetes"), "a resume may want them"
    assert len(wide.left()) == WIDTH
    listed = machine.run("reap", "--backend", "kubernetes", "--all", "--dry-run")
    assert listed.count("af-") >= WIDTH, listed
    assert len(wide.left()) == WIDTH
    removed = machine.run("reap", "--backend", "kubernetes", "--all")

    wait_until(lambda: wide.left() == [], f"no pod is left: {removed}")


def test_results_come_with_the_ends_of_pods_and_are_not_asked_for(pods: Pods) -> None:
    with faulty(pods.aws) as proxy:
        machine = pods.machine(ASYNCFLOW_KUBERNETES_SECRETS="aws", ASYNCFLOW_S3_ENDPOINT_URL=proxy.endpoint)
        said = machine.run("run", flow("pods_wide"), "--width", "3")

    assert "joined 3" in said
    assert len(proxy.asked("^PUT .*/results/")) == 3
    assert proxy.asked("^(GET|HEAD) .*/results/") == []


def test_of_a_failure_the_cluster_shows_the_end_of_the_log_and_of_a_success_what_is_sealed(
    pods: Pods,
) -> None:
    machine = pods.machine(
        ASYNCFLOW_KUBERNETES_SECRETS="aws", ASYNCFLOW_KUBERNETES_JOB_TTL_SECONDS_AFTER_FINISHED="600"
    )
    said = machine.run("run", flow("pods_failing"), code=1)

    states = {
        pod["metadata"]["labels"]["asyncflow/step"]: pod["status"]["containerStatuses"][0]["state"]
        for pod in pods.left()
    }
    assert "no such column: price" in said
    assert "no such column: price" in states["work"]["terminated"]["message"]
    assert states["start"]["terminated"]["message"].startswith("asyncflow-result:")
