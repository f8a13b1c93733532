"""One pod's life on its node: volumes, init containers, containers, and the end they or others make."""

from __future__ import annotations

import asyncio
from asyncio import TaskGroup
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path

from tests.services.kube.cluster import Cluster
from tests.services.kube.kinds import PODS
from tests.services.kube.kubelet.container import ContainerKeeper
from tests.services.kube.kubelet.runtime import Runtime
from tests.services.kube.kubelet.setting import NotReady, make_volumes, pod_address, remove_folder
from tests.services.kube.kubelet.verdicts import DEADLINE, DISRUPTED, Verdict, of_order
from tests.services.kube.objects import Object, name_of, namespace_of, set_condition, timestamp, uid_of
from tests.services.kube.orders import POD_TROUBLES, Order, Trouble

StatusChange = Callable[[Object], None]
_DEFAULT_GRACE_S = 30.0


class PodRunner:
    """See the module."""

    def __init__(self, cluster: Cluster, runtime: Runtime, pod: Object) -> None:
        self.pod = pod
        self._cluster = cluster
        self._folder: Path = cluster.folder / uid_of(pod)
        self._init = [self._keeper(runtime, one) for one in pod["spec"].get("initContainers") or []]
        self._main = [self._keeper(runtime, one) for one in pod["spec"]["containers"]]
        self._phase = "Pending"
        self._started_at = timestamp()
        self._verdict: Verdict | None = None
        self._stopping = asyncio.Event()
        self._orders = asyncio.Event()
        self._group: TaskGroup | None = None

    @property
    def node(self) -> str:
        """Where it runs."""
        return str(self.pod["spec"]["nodeName"])

    async def run(self) -> None:
        """Run the pod to its end."""
        async with TaskGroup() as group:
            self._group = group
            beside = [group.create_task(self._watch_orders())]
            seconds = self.pod["spec"].get("activeDeadlineSeconds")
            if seconds is not None:
                beside.append(group.create_task(self._watch_deadline(float(seconds))))
            try:
                await self._work()
            finally:
                self._group = None
                for task in beside:
                    task.cancel()
        self._finish()
        if self._cluster.settings.mode != "noop":
            await asyncio.to_thread(remove_folder, self._folder)

    def stop(self, verdict: Verdict, grace_s: float) -> None:
        """Stop the pod; the first verdict stands, a shorter grace may follow."""
        if self._verdict is None:
            self._verdict = verdict
            if verdict.disruption:
                self._update(lambda status: _disrupt(status, verdict))
            if verdict.removes and verdict.disruption:
                self._mark_deleted(grace_s)
        self._stopping.set()
        if self._group is not None:
            for keeper in (*self._init, *self._main):
                self._group.create_task(keeper.stop(grace_s))

    def meet_orders(self) -> None:
        """Look whether a fault was ordered for this pod."""
        self._orders.set()

    def grace(self) -> float:
        """Return how long the pod may take to end, in seconds."""
        asked = self.pod["spec"].get("terminationGracePeriodSeconds")
        return _DEFAULT_GRACE_S if asked is None else float(asked)

    def _keeper(self, runtime: Runtime, container: Object) -> ContainerKeeper:
        return ContainerKeeper(self._cluster, runtime, self.pod, container, tell=self._told)

    async def _work(self) -> None:
        volumes = await self._prepare()
        if volumes is None:
            return
        for keeper in self._init:
            await keeper.keep(self._restarts_init, self._folder, volumes)
            if keeper.exit_code != 0 or self._stopping.is_set():
                return
        async with TaskGroup() as group:
            for keeper in self._main:
                group.create_task(keeper.keep(self._restarts, self._folder, volumes))

    async def _prepare(self) -> Mapping[str, Path] | None:
        if self._cluster.settings.mode == "noop":
            return {volume["name"]: self._folder for volume in self.pod["spec"].get("volumes") or []}
        self._publish()
        while not self._stopping.is_set():
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                return make_volumes(self.pod, self._folder, self._cluster.store)
            except NotReady as error:
                message = f"MountVolume.SetUp failed: {error}"
                self._cluster.tell(PODS, self.pod, "FailedMount", message, component="kubelet", warns=True)
                await self._pause(self._cluster.settings.image_backoff_s)
        return None

    def _restarts(self, code: int) -> bool:
        policy = self.pod["spec"].get("restartPolicy", "Always")
        return policy == "Always" or (policy == "OnFailure" and code != 0)

    def _restarts_init(self, code: int) -> bool:
        return self.pod["spec"].get("restartPolicy", "Always") != "Never" and code != 0

    async def _watch_orders(self) -> None:
        place = {"resource": "pods", "namespace": namespace_of(self.pod), "name": name_of(self.pod)}
        while True:
            await self._orders.wait()
            self._orders.clear()
            order = self._cluster.orders.take(POD_TROUBLES, **place) if self._is_running() else None
            if order is not None:
                await self._suffer(order)

    async def _suffer(self, order: Order) -> None:
        order.fired -= 1  # counted when it strikes, which a pod's own end may forestall
        order.reserved += 1
        try:
            await self._pause(order.number("after_s"))
        finally:
            order.reserved -= 1
        if self._stopping.is_set() or not self._is_running():
            return
        order.fired += 1
        if order.trouble is Trouble.OOM_KILLED:
            for keeper in self._main:
                await keeper.kill_for_memory()
            return
        at_once = order.trouble is Trouble.NODE_LOST
        bound = self._cluster.settings.shutdown_grace_s
        verdict = of_order(order, self.node)
        if verdict.reason:
            self._cluster.tell(
                PODS, self.pod, verdict.reason, verdict.message, component="kubelet", warns=True
            )
        self.stop(verdict, 0.0 if at_once else min(self.grace(), bound))

    async def _watch_deadline(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.stop(DEADLINE, self.grace())

    def _is_running(self) -> bool:
        return any(keeper.is_running for keeper in self._main)

    def _told(self) -> None:
        if self._verdict is not None and self._verdict.is_silent:
            return
        if self._phase == "Pending" and self._is_running():
            self._phase = "Running"
            self._orders.set()
        if self._cluster.is_quiet() and all(keeper.exit_code is not None for keeper in self._main):
            return  # the end is told in one change
        self._publish()

    def _finish(self) -> None:
        verdict = self._verdict
        codes = [keeper.exit_code for keeper in (*self._init, *self._main)]
        self._phase = "Succeeded" if all(code == 0 for code in codes) else "Failed"
        if verdict is not None and verdict.phase:
            self._phase = verdict.phase
        if verdict is None or not verdict.is_silent:
            self._publish()
        elif not verdict.removes:
            self._update(lambda status: _fail(status, verdict))
        if verdict is not None and verdict.removes:
            self._remove()

    def _publish(self) -> None:
        phase, verdict = self._phase, self._verdict

        def change(status: Object) -> None:
            status["phase"] = phase
            status.setdefault("startTime", self._started_at)
            status.setdefault("hostIP", "127.0.0.1")
            status["podIP"] = pod_address(self.pod)
            status["podIPs"] = [{"ip": status["podIP"]}]
            status["containerStatuses"] = [deepcopy(keeper.status) for keeper in self._main]
            if self._init:
                status["initContainerStatuses"] = [deepcopy(keeper.status) for keeper in self._init]
            _set_ready(status, phase, all(keeper.status["ready"] for keeper in self._main))
            if verdict is not None and verdict.reason and phase == "Failed":
                status.update(reason=verdict.reason, message=verdict.message)

        self._update(change)

    def _update(self, change: StatusChange) -> None:
        def on_item(item: Object) -> None:
            if uid_of(item) == uid_of(self.pod):
                change(item["status"])

        self._cluster.store.modify(PODS, namespace_of(self.pod), name_of(self.pod), on_item)

    def _mark_deleted(self, grace_s: float) -> None:
        def change(item: Object) -> None:
            item["metadata"].setdefault("deletionTimestamp", timestamp())
            item["metadata"].setdefault("deletionGracePeriodSeconds", int(grace_s))

        self._cluster.store.modify(PODS, namespace_of(self.pod), name_of(self.pod), change)

    def _remove(self) -> None:
        found = self._cluster.store.find(PODS, namespace_of(self.pod), name_of(self.pod))
        if found is not None and uid_of(found.item) == uid_of(self.pod):
            self._cluster.store.remove(PODS, namespace_of(self.pod), name_of(self.pod))

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            pass


def _set_ready(status: Object, phase: str, is_ready: bool) -> None:
    over = {"reason": "PodCompleted"} if phase in ("Succeeded", "Failed") else {}
    why_not = over or {"reason": "ContainersNotReady"}
    set_condition(status, "Initialized", "True" if phase != "Pending" else "False")
    for kind in ("Ready", "ContainersReady"):
        set_condition(status, kind, "True" if is_ready else "False", **({} if is_ready else why_not))


def _disrupt(status: Object, verdict: Verdict) -> None:
    set_condition(status, DISRUPTED, "True", reason=verdict.disruption, message=verdict.message)


def _fail(status: Object, verdict: Verdict) -> None:
    status.update(phase="Failed", reason=verdict.reason, message=verdict.message)
    for kind in ("Ready", "ContainersReady"):
        set_condition(status, kind, "False", reason="NodeLost")
