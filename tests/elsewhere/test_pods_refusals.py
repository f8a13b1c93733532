"""What is wrong before a run starts is said in one message, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.elsewhere.pods import Pods, flow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]


def _refused(pods: Pods, *options: str, code: int = 2, environment: Mapping[str, str] | None = None) -> str:
    """Run a flow that cannot be run; see that nothing was started; return all it said."""
    said = pods.machine(**(environment or {})).run("run", flow("pods_wide"), *options, code=code)
    assert pods.created() == 0
    assert "Workflow starting" not in said
    return said.replace(str(pods.kube.config), "KUBECONFIG").replace(pods.kube.url, "SERVER")


def test_no_kubeconfig(wide: Pods) -> None:
    assert _refused(wide, environment={"KUBECONFIG": "/nowhere/config"}) == (
        "The cluster cannot be used:\n"
        "    There is no kubeconfig at /nowhere/config\n"
        "    Name it with KUBECONFIG=/path/to/config, or let your cluster's tool write one; "
        "`kubectl config get-contexts` shows what there is.\n"
    )


def test_refused_credentials(wide: Pods) -> None:
    wide.kube.faults.accept_tokens("another")
    said = _refused(wide)
    assert said.startswith("The cluster cannot be used:\n    SERVER was asked ")
    assert said.endswith(
        "the credentials of context test of KUBECONFIG are refused: Unauthorized\n"
        "    Log in to the cluster anew; try `kubectl get pods`.\n"
    )


def test_no_permission_to_create_pods(wide: Pods) -> None:
    wide.kube.faults.deny(verbs=["create"], resources=["pods"])
    assert _refused(wide) == (
        "The cluster cannot be used:\n"
        "    The credentials of context test of KUBECONFIG may not create pods in namespace "
        f"{wide.kube.namespace}\n"
        "    Ask for a role with these; `asyncflow doctor --backend kubernetes` says all that is missing.\n"
    )


def test_no_such_namespace(wide: Pods) -> None:
    assert _refused(wide, environment={"ASYNCFLOW_KUBERNETES_NAMESPACE": "absent"}) == (
        "The cluster cannot be used:\n"
        "    There is no namespace absent on SERVER\n"
        "    Make it (kubectl create namespace absent), or choose another one: @kubernetes(namespace=...), "
        "ASYNCFLOW_KUBERNETES_NAMESPACE.\n"
    )


@pytest.mark.parametrize(
    ("setting", "kind", "hint"),
    [
        ("SECRETS", "secret", "kubectl create secret generic absent --from-literal=NAME=value"),
        ("SERVICE_ACCOUNT", "service account", "kubectl create serviceaccount absent"),
    ],
)
def test_what_steps_mention_is_missing(wide: Pods, setting: str, kind: str, hint: str) -> None:
    said = _refused(wide, environment={f"ASYNCFLOW_KUBERNETES_{setting}": "absent"})
    assert (
        f"    Step work needs the {kind} 'absent', which is not in the namespace {wide.kube.namespace}\n"
        in said
    )
    assert f"    {hint} -n {wide.kube.namespace}\n" in said
    assert said.count("\n") <= 6, said


def test_what_no_node_has_is_said_before_the_run_starts(wide: Pods) -> None:
    machine = wide.machine(ASYNCFLOW_KUBERNETES_PENDING_LIMIT_SECONDS="2")

    said = machine.run("run", flow("pods_large"), code=1)

    warned, _, rest = said.partition("Workflow starting")
    assert "step work (" in warned
    assert "no node of " in warned
    assert "it asks for cpu 9000 (at most " in warned
    assert "Its pods wait until there is such a node" in warned
    assert "waited for 2 s" in rest, "an autoscaler had its time"


def test_nodes_that_may_not_be_looked_at_are_nothing_to_talk_of(wide: Pods) -> None:
    wide.kube.faults.deny(verbs=["list"], resources=["nodes"])

    said = wide.machine().run("run", flow("pods_wide"), "--width", "1")

    assert "node" not in said.partition("Workflow starting")[0]
    assert "joined 1" in said


def test_no_such_bucket(wide: Pods) -> None:
    said = _refused(wide, code=1, environment={"ASYNCFLOW_STORE": "s3://there-is-none/runs"}).replace(
        wide.aws, "S3"
    )
    assert said == (
        "The bucket does not exist:\n"
        "    s3://there-is-none/runs/owner could not be read: there is no bucket 'there-is-none' at S3\n"
        "    Make it (`aws s3 mb s3://there-is-none`), or check its name and the endpoint.\n"
    )


def test_the_doctor_says_what_is_missing(wide: Pods) -> None:
    wide.kube.faults.deny(verbs=["create"], resources=["pods"])
    said = wide.machine(ASYNCFLOW_KUBERNETES_SECRETS="absent").run(
        "doctor", "--backend", "kubernetes", flow("pods_wide"), code=1
    )
    name = wide.kube.namespace
    assert said == (
        "Platform: kubernetes\n"
        f"  ok    store: s3://{wide.bucket}/runs\n"
        f"  ok    credentials: context test of {wide.kube.config}, {wide.kube.url}\n"
        "  ok    cluster: answers, Kubernetes v1.33.0\n"
        f"  ok    namespace: {name} is there\n"
        f"  lacks permissions: in namespace {name} we may not create pods\n"
        "        Ask for a Role with these verbs, bound to you.\n"
        "  lacks secret: there is no secret absent\n"
        f"        kubectl create secret generic absent --from-literal=NAME=value -n {name}\n"
        "  ok    nodes: step work fits a node\n"
    )
