"""What goes wrong on the way to the cluster and in it, seen by who runs a flow. Each fault is seen to fire."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.elsewhere.pods import Pods, flow
from tests.elsewhere.standin import Gate
from tests.services.faults import EXPIRED, NO_BUCKET, SLOW_DOWN, faulty
from tests.services.kube.faults import Fault, Faults, wait_until
from tests.services.kube.orders import Trouble

WIDTH = 8
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
_CLAIMED = "all pods have begun"


def _order(fault: str, faults: Faults) -> Fault:
    create: dict[str, Callable[[], Fault]] = {
        "response lost": lambda: faults.lose_answer(resources=["pods"], times=3),
        "409": lambda: faults.refuse(409, verbs=["create"], resources=["pods"], times=2),
        "429 storm": lambda: faults.refuse(
            429, verbs=["create"], resources=["pods"], times=6, retry_after_s=1
        ),
        "500 storm": lambda: faults.refuse(500, verbs=["create"], resources=["pods"], times=12),
        "503 storm": lambda: faults.refuse(
            503, verbs=["create", "list", "watch"], resources=["pods"], times=12
        ),
    }
    return create[fault]()


@pytest.mark.parametrize("name", ["response lost", "409", "429 storm", "500 storm", "503 storm"])
def test_trouble_while_pods_are_asked_for_is_sat_out(wide: Pods, gate: Gate, name: str) -> None:
    fault = _order(name, wide.kube.faults)

    said = wide.machine().run("run", flow("pods_wide"), "--width", str(WIDTH))

    assert fault.fired >= 1
    assert f"joined {WIDTH}" in said
    assert said.count("Task finished successfully") == WIDTH + 3
    assert len(wide.keys("/claims/")) == WIDTH, "no task began twice"
    assert wide.left() == []


@pytest.mark.parametrize("name", ["410 gone", "silent", "cut"])
def test_trouble_with_the_watch_loses_nothing(wide: Pods, gate: Gate, name: str) -> None:
    gate.admit(0)
    machine = wide.machine(ASYNCFLOW_KUBERNETES_SILENCE_SECONDS="3")
    running = machine.start("run", flow("pods_wide"), "--width", str(WIDTH))
    wait_until(lambda: len(wide.keys("/claims/")) == WIDTH, _CLAIMED)

    faults = wide.kube.faults
    orders = {"410 gone": faults.gone, "cut": faults.cut, "silent": lambda: faults.silence(300)}
    fault = orders[name]()
    fault.wait()
    gate.admit(WIDTH)
    said = _end(running)

    assert fault.fired == 1
    assert f"joined {WIDTH}" in said
    assert wide.created() == len(wide.keys("/claims/")) == WIDTH


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (Trouble.EVICTED, "evicted on kubernetes"),
        (Trouble.NODE_LOST, "lost on kubernetes"),
        (Trouble.SHUT_DOWN, "imminent node shutdown"),
        (Trouble.PREEMPTED, "on kubernetes"),
    ],
)
def test_a_pod_that_is_taken_away_burns_no_retry(
    wide: Pods, gate: Gate, trouble: Trouble, reason: str
) -> None:
    gate.admit(0)
    running = wide.machine().start("run", flow("oom"))
    wait_until(lambda: len(wide.keys("/claims/")) == 1, _CLAIMED)
    fault = wide.kube.faults.pod(trouble)
    fault.wait()
    gate.admit(1)
    said = _end(running)

    assert fault.fired == 1
    assert reason in said
    assert wide.created() == 2
    assert wide.left() == []


def test_who_grants_no_spot_retry_has_none(wide: Pods, gate: Gate) -> None:
    gate.admit(0)
    running = wide.machine().start("run", flow("oom"), "--spot-retries", "0")
    wait_until(lambda: len(wide.keys("/claims/")) == 1, _CLAIMED)
    fault = wide.kube.faults.pod(Trouble.SHUT_DOWN)
    fault.wait()
    said = _end(running, code=1)

    assert fault.fired == 1
    assert "imminent node shutdown" in said
    assert wide.created() == 1
    assert wide.left() == []


def test_out_of_memory_asks_for_double(wide: Pods, gate: Gate) -> None:
    gate.admit(0)
    running = wide.machine().start("run", flow("oom"))
    wait_until(lambda: len(wide.keys("/claims/")) == 1, _CLAIMED)
    fault = wide.kube.faults.pod(Trouble.OOM_KILLED)
    wait_until(lambda: len(wide.keys("/claims/")) == 2, "it was tried again")
    asked = sorted(pod["spec"]["containers"][0]["resources"]["requests"]["memory"] for pod in wide.left())
    gate.admit(1)
    said = _end(running)

    assert fault.fired == 1
    assert "out of memory" in said
    assert asked == ["256M", "512M"]


def test_an_image_that_is_missing_ends_the_run_in_words(wide: Pods) -> None:
    fault = wide.kube.faults.no_image("nowhere")
    machine = wide.machine(
        ASYNCFLOW_KUBERNETES_START_LIMIT_SECONDS="2", ASYNCFLOW_KUBERNETES_CONTAINER_IMAGE="nowhere/to:1"
    )

    said = machine.run("run", flow("pods_wide"), "--width", "1", code=1)

    assert fault.fired >= 1
    assert "nowhere/to:1" in said
    assert "image" in said
    assert wide.created() == 1, "another try would end the same way"
    assert wide.left() == []


def test_a_pod_that_no_node_takes_ends_the_run_in_words(wide: Pods) -> None:
    fault = wide.kube.faults.pod(Trouble.NOT_SCHEDULED, times=None)
    machine = wide.machine(ASYNCFLOW_KUBERNETES_PENDING_LIMIT_SECONDS="2")

    said = machine.run("run", flow("pods_wide"), "--width", "1", code=1)

    assert fault.fired >= 1
    assert "waited for 2 s" in said
    assert wide.created() == 1
    assert wide.left() == []


def test_credentials_of_the_cluster_that_expire_end_the_run_and_a_resume_takes_it_up(
    wide: Pods, gate: Gate
) -> None:
    gate.admit(0)
    kube, faults = wide.kube, wide.kube.faults
    kube.server.kubeconfig(kube.config, kube.namespace, "old")
    faults.accept_tokens("old")
    machine = wide.machine(ASYNCFLOW_KUBERNETES_OUTAGE_SECONDS="2", ASYNCFLOW_KUBERNETES_SILENCE_SECONDS="2")
    running = machine.start("run", flow("pods_wide"), "--width", str(WIDTH))
    wait_until(lambda: len(wide.keys("/claims/")) == WIDTH, _CLAIMED)
    faults.accept_tokens("new")
    cut = faults.cut()
    cut.wait()
    said = _end(running, code=1)
    assert "credentials" in said
    assert "Traceback" not in said

    kube.server.kubeconfig(kube.config, kube.namespace, "new")
    gate.admit(WIDTH)
    resumed = machine.run("resume", "1", "--file", flow("pods_wide"))

    assert cut.fired == 1
    assert f"joined {WIDTH}" in resumed
    assert wide.created() == len(wide.keys("/claims/")) == WIDTH


def test_a_bucket_that_asks_for_patience_gets_it(wide: Pods) -> None:
    with faulty(wide.aws) as proxy:
        slow = proxy.order(SLOW_DOWN, "/(results|specs)/", times=6)
        said = wide.machine(ASYNCFLOW_S3_ENDPOINT_URL=proxy.endpoint).run(
            "run", flow("pods_wide"), "--width", str(WIDTH)
        )
    assert slow.fired == 6
    assert f"joined {WIDTH}" in said


@pytest.mark.parametrize("results", ["handed over", "in the store"])
@pytest.mark.parametrize("how", ["expired", "gone"])
def test_a_bucket_that_fails_in_mid_run_ends_it_in_words_and_a_resume_goes_on_once_it_is_back(
    wide: Pods, gate: Gate, how: str, results: str
) -> None:
    gate.admit(0)
    if results == "in the store":
        gate.leave_in_store()
    with faulty(wide.aws) as proxy:
        machine = wide.machine(ASYNCFLOW_S3_ENDPOINT_URL=proxy.endpoint)
        running = machine.start("run", flow("pods_wide"), "--width", str(WIDTH))
        wait_until(lambda: len(wide.keys("/claims/")) == WIDTH, _CLAIMED)
        fault = proxy.order(EXPIRED if how == "expired" else NO_BUCKET, ".", times=None)
        gate.admit(WIDTH)
        said = _end(running, code=1)
        proxy.heal()
        resumed = machine.run("resume", "1", "--file", flow("pods_wide"))
    assert fault.fired >= 1
    assert "Traceback" not in said
    assert ("expired" if how == "expired" else wide.bucket) in said.lower()
    # With what pods bring, a run may come to its end before it hears of the bucket: then the resume copies it.
    assert f"joined {WIDTH}" in (resumed if results == "in the store" else said + resumed)
    assert resumed.splitlines()[-1].endswith("Done!")
    assert wide.created() == len(wide.keys("/claims/")) == WIDTH, "no task began twice"
    assert wide.left() == []


def _end(running: subprocess.Popen[str], *, code: int = 0) -> str:
    try:
        said, _ = running.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        running.kill()
        said, _ = running.communicate()
        raise AssertionError(f"it did not end:\n{said}") from None
    assert running.returncode == code, said
    return said
