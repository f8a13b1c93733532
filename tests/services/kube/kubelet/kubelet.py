"""The kubelets of all nodes: start what the scheduler bound, stop what is being deleted."""

from __future__ import annotations

from asyncio import Task, wait

from tests.services.kube.cluster import Cluster
from tests.services.kube.kinds import NODES, PODS
from tests.services.kube.kubelet.noop import NoopRuntime
from tests.services.kube.kubelet.pod import PodRunner
from tests.services.kube.kubelet.process import ProcessRuntime
from tests.services.kube.kubelet.runtime import Runtime
from tests.services.kube.kubelet.verdicts import DELETED, of_lost_node
from tests.services.kube.objects import Object, is_deleting, name_of, namespace_of, set_condition, uid_of
from tests.services.kube.scheduler import ENDED
from tests.services.kube.store import DELETED as WAS_DELETED
from tests.services.kube.store import Change, Inbox


class Kubelet:
    """See the module."""

    def __init__(self, cluster: Cluster, runtime: Runtime) -> None:
        self._cluster = cluster
        self._runtime = runtime
        self._inbox = Inbox()
        self._runners: dict[str, PodRunner] = {}
        """By the pod's uid."""
        self._tasks: dict[str, Task[None]] = {}
        cluster.store.listeners.append(self._hear)

    async def run(self) -> None:
        """Start and stop pods until cancelled."""
        while True:
            for change in await self._inbox.take():
                self._meet(change)

    async def close(self) -> None:
        """End all pods at once."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await wait(tasks) if tasks else None

    def meet_orders(self) -> None:
        """Let pods that run already look for a fault that was ordered just now."""
        for runner in self._runners.values():
            runner.meet_orders()

    def lose_node(self, node: str, *, removes: bool) -> int:
        """Take a node away with all its processes; return how many pods ran on it.

        Raises:
            ApiError: 404, there is no such node.
        """
        self._cluster.store.get(NODES, "", node)
        self._cluster.store.modify(
            NODES, "", node, lambda item: _set_ready(item, "Unknown", "NodeStatusUnknown")
        )
        lost = [runner for runner in self._runners.values() if runner.node == node]
        for runner in lost:
            runner.stop(of_lost_node(node, removes=removes), 0.0)
        return len(lost)

    def restore_node(self, node: str) -> None:
        """Bring a node back."""
        self._cluster.store.modify(NODES, "", node, lambda item: _set_ready(item, "True", "KubeletReady"))

    def _hear(self, change: Change) -> None:
        if change.kind is PODS and change.item["spec"].get("nodeName"):
            self._inbox.put(change)

    def _meet(self, change: Change) -> None:
        pod, uid = change.item, uid_of(change.item)
        runner = self._runners.get(uid)
        if change.type == WAS_DELETED:
            if runner is None:
                self._cluster.logs.forget(uid)
            else:
                runner.stop(DELETED, 0.0)
        elif runner is None:
            if pod["status"].get("phase") not in ENDED and not is_deleting(pod):
                self._start(pod, uid)
        elif is_deleting(pod):
            runner.stop(DELETED, float(pod["metadata"].get("deletionGracePeriodSeconds", 0)))

    def _start(self, pod: Object, uid: str) -> None:
        runner = self._runners[uid] = PodRunner(self._cluster, self._runtime, pod)
        self._tasks[uid] = self._cluster.group.create_task(self._run(uid, runner))

    async def _run(self, uid: str, runner: PodRunner) -> None:
        try:
            await runner.run()
        finally:
            del self._runners[uid]
            del self._tasks[uid]
            kept = self._cluster.store.find(PODS, namespace_of(runner.pod), name_of(runner.pod))
            if kept is None or uid_of(kept.item) != uid:
                self._cluster.logs.forget(uid)


def make_runtime(cluster: Cluster) -> Runtime:
    """Return what starts containers in the mode that the settings say."""
    settings = cluster.settings
    match settings.mode:
        case "noop":
            return NoopRuntime(settings.noop_s, settings.noop_call)
        case "process":
            return ProcessRuntime()
        case _:
            from tests.services.kube.kubelet.engine import EngineRuntime

            return EngineRuntime(settings.mode)


def _set_ready(node: Object, value: str, reason: str) -> None:
    set_condition(node["status"], "Ready", value, reason=reason)
    taints = [
        taint
        for taint in node["spec"].get("taints") or []
        if taint["key"] != "node.kubernetes.io/unreachable"
    ]
    if value != "True":
        taints.append({"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"})
    node["spec"]["taints"] = taints
