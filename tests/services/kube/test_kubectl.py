"""The server as kubectl sees it, a client that is not ours and forgives little."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from typing import Any

import pytest
import yaml

from tests.services.kube.faults import wait_until
from tests.services.kube.fixture import Kube, kubectl_version
from tests.services.kube.orders import Trouble
from tests.services.kube.story import pod


@pytest.fixture(autouse=True)
def has_kubectl() -> None:
    """Without kubectl the server is shown to one client only: skipped aloud, and a failure where nothing may be."""
    if kubectl_version() == (0, 0):
        reason = "NO KUBECTL: install Debian's kubernetes-client (make services)"
        if os.environ.get("ASYNCFLOW_NO_SKIP", "") not in ("", "0"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)


JOB = """
apiVersion: batch/v1
kind: Job
metadata:
  name: count
  labels: {app: counting}
spec:
  completions: 2
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: busybox
        command: [sh, -c, "echo counted"]
"""


def manifest(item: dict[str, Any]) -> str:
    return yaml.safe_dump(item)


def test_it_knows_version_and_kinds(kube: Kube) -> None:
    assert "v1.33.0" in kube.kubectl("version")
    kinds = kube.kubectl("api-resources", "-o", "name").split()
    assert {"pods", "jobs.batch", "secrets", "events", "persistentvolumeclaims", "nodes"} <= set(kinds)


def test_a_pod_is_created_waited_for_read_and_deleted(kube: Kube) -> None:
    made = kube.kubectl("create", "-f", "-", stdin=manifest(pod("one", "echo hello; exit 4")))
    assert made == "pod/one created\n"
    phase = ("get", "pod", "one", "-o", "jsonpath={.status.phase}")
    wait_until(lambda: kube.kubectl(*phase) == "Failed", "it has failed")
    heading, row = kube.kubectl("get", "pods").splitlines()
    assert heading.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row.split()[:4] == ["one", "0/1", "Error", "0"]
    assert "node-1" in kube.kubectl("get", "pods", "-o", "wide")
    assert kube.kubectl("logs", "one") == "hello\n"
    told = kube.kubectl("describe", "pod", "one")
    assert "Exit Code:    4" in told
    assert "Successfully assigned" in told
    kube.kubectl("delete", "pod", "one")
    assert "not found" in kube.kubectl("get", "pod", "one", check=False)


def test_logs_are_followed_while_they_are_written(kube: Kube) -> None:
    script = "for i in 1 2 3; do echo line $i; done; while ! test -e go; do sleep 0.02; done; echo last"
    folder = kube.config.parent / "work"
    folder.mkdir()
    kube.kubectl(
        "create", "-f", "-", stdin=manifest(pod("one", script, container={"workingDir": str(folder)}))
    )
    kube.kubectl("wait", "pod/one", "--for=condition=Ready", "--timeout=20s")
    command = ["kubectl", f"--kubeconfig={kube.config}", "logs", "-f", "one"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        guard = threading.Timer(20, follower.kill)
        guard.start()
        assert [follower.stdout.readline() for _ in range(3)] == ["line 1\n", "line 2\n", "line 3\n"]
        (folder / "go").touch()
        assert follower.stdout.read() == "last\n"
        assert follower.wait() == 0
        guard.cancel()
    assert kube.kubectl("logs", "one", "--tail=2") == "line 3\nlast\n"
    assert kube.kubectl("logs", "one", "--limit-bytes=6") == "line 1"
    assert kube.kubectl("logs", "one", "--since=1h").count("\n") == 4
    assert kube.kubectl("logs", "one", "--timestamps").splitlines()[0].endswith("Z line 1")


def test_a_job_is_applied_twice_and_deleted_with_its_pods(kube: Kube) -> None:
    assert kube.kubectl("apply", "-f", "-", stdin=JOB) == "job.batch/count created\n"
    assert kube.kubectl("apply", "-f", "-", stdin=JOB) == "job.batch/count unchanged\n"
    changed = JOB.replace("app: counting", "app: counted")
    assert kube.kubectl("apply", "-f", "-", stdin=changed) == "job.batch/count configured\n"
    kube.kubectl("wait", "job/count", "--for=condition=complete", "--timeout=20s")
    assert kube.kubectl("logs", "job/count", "--all-containers").count("counted") >= 1
    assert "2/2" in kube.kubectl("get", "jobs", "-l", "app=counted")
    assert "Job completed" in kube.kubectl("describe", "job", "count")
    refused = kube.kubectl(
        "apply", "-f", "-", stdin=changed.replace("echo counted", "echo more"), check=False
    )
    assert "spec.template: Invalid value: field is immutable" in refused
    kube.kubectl("delete", "job", "count")
    wait_until(lambda: kube.kubectl("get", "pods", "-o", "name") == "", "the job's pods are gone")


def test_config_and_secrets_are_created_patched_and_listed(kube: Kube) -> None:
    kube.kubectl("create", "configmap", "conf", "--from-literal=a=1")
    kube.kubectl("patch", "configmap", "conf", "--type=merge", "-p", '{"data":{"b":"2"}}')
    kube.kubectl("patch", "configmap", "conf", "--type=json", "-p", '[{"op":"remove","path":"/data/a"}]')
    kube.kubectl("label", "configmap", "conf", "kept=yes")
    kept = json.loads(kube.kubectl("get", "configmap", "conf", "-o", "json"))
    assert kept["data"] == {"b": "2"}
    assert kept["metadata"]["labels"] == {"kept": "yes"}
    kube.kubectl("create", "secret", "generic", "keys", "--from-literal=token=x")
    names = kube.kubectl("get", "configmaps,secrets", "-o", "name").split()
    assert names == ["configmap/conf", "configmap/kube-root-ca.crt", "secret/keys"]
    kube.kubectl("delete", "configmap", "-l", "kept=yes")
    assert "NotFound" in kube.kubectl("get", "configmap", "conf", check=False)


def test_what_is_wrong_is_refused_with_its_place(kube: Kube) -> None:
    bad = pod("one")
    bad["spec"]["containers"][0]["imagePullPolicy"] = "Sometimes"
    told = kube.kubectl("create", "-f", "-", stdin=manifest(bad), check=False)
    assert "spec.containers[0].imagePullPolicy" in told
    unknown = pod("one")
    unknown["spec"]["nodeSelectro"] = {}
    assert "nodeSelectro" in kube.kubectl("create", "-f", "-", stdin=manifest(unknown), check=False)
    kube.kubectl("create", "-f", "-", stdin=manifest(pod("one")))
    again = kube.kubectl("create", "-f", "-", stdin=manifest(pod("one")), check=False)
    assert "AlreadyExists" in again


def test_a_pod_that_fits_nowhere_says_so(kube: Kube) -> None:
    wants = {"resources": {"requests": {"cpu": "5000"}}}
    kube.kubectl("create", "-f", "-", stdin=manifest(pod("wide", container=wants)))
    told = "jsonpath={.status.conditions[?(@.type=='PodScheduled')].reason}"
    wait_until(lambda: kube.kubectl("get", "pod", "wide", "-o", told) == "Unschedulable", "it is refused")
    assert "0/3 nodes are available: 3 Insufficient cpu." in kube.kubectl("describe", "pod", "wide")
    assert "FailedScheduling" in kube.kubectl("get", "events")


def test_permissions_are_asked_for(kube: Kube) -> None:
    assert kube.kubectl("auth", "can-i", "create", "pods") == "yes\n"
    kube.faults.deny(verbs=["create"], resources=["pods"])
    assert kube.kubectl("auth", "can-i", "create", "pods", check=False).startswith("no")


def test_an_evicted_pod_is_shown_as_such(kube: Kube) -> None:
    kube.faults.pod(Trouble.EVICTED, "^one$")
    kube.kubectl("create", "-f", "-", stdin=manifest(pod("one", "exec sleep 600")))
    wait_until(lambda: "Evicted" in kube.kubectl("get", "pod", "one"), "it is evicted")
    assert "low on resource: memory" in kube.kubectl("describe", "pod", "one")


def test_a_namespace_goes_with_all_that_is_in_it(kube: Kube) -> None:
    name = f"{kube.namespace}-other"
    kube.kubectl("create", "namespace", name)
    kube.kubectl("create", "-n", name, "-f", "-", stdin=manifest(pod("one", "exec sleep 600")))
    kube.kubectl("delete", "namespace", name, "--timeout=20s")
    assert "NotFound" in kube.kubectl("get", "namespace", name, check=False)
    assert "not found" in kube.kubectl(
        "create", "-n", name, "-f", "-", stdin=manifest(pod("two")), check=False
    )
