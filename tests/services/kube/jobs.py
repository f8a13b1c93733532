"""The Job controller: makes a Job's pods, counts how they end, ends the Job, removes it when its time is up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.services.kube.admission import Admission
from tests.services.kube.cluster import Cluster
from tests.services.kube.deletion import BACKGROUND, Deletion
from tests.services.kube.jobpods import (
    Progress,
    as_ranges,
    count_failure,
    count_success,
    is_complete,
    is_indexed,
    judge,
    missing,
    pod_of,
)
from tests.services.kube.kinds import JOBS, PODS
from tests.services.kube.objects import (
    ApiError,
    Object,
    condition_of,
    controller_of,
    is_deleting,
    name_of,
    namespace_of,
    set_condition,
    timestamp,
    uid_of,
)
from tests.services.kube.scheduler import ENDED
from tests.services.kube.store import DELETED, Change, Inbox

_COMPONENT = "job-controller"
_RETRY_S = 0.5
_LONGEST_BACKOFF_S = 600.0


class Jobs:
    """See the module."""

    def __init__(self, cluster: Cluster, admission: Admission, deletion: Deletion) -> None:
        self._cluster = cluster
        self._admission = admission
        self._deletion = deletion
        self._inbox = Inbox()
        self._progress: dict[str, Progress] = {}
        """By the Job's uid."""
        self._pods: dict[str, dict[str, Object]] = {}
        """By the Job's uid and the pod's."""
        self._names: dict[str, tuple[str, str]] = {}
        """Of Jobs by uid: namespace and name."""
        self._due: dict[str, None] = {}
        """Jobs to look at, by uid."""
        self._deadlines: dict[str, float] = {}
        """By the Job's uid, on the loop's clock."""
        cluster.store.listeners.append(self._hear)

    async def run(self) -> None:
        """Look after Jobs until cancelled."""
        while True:
            for change in await self._inbox.take():
                self._note(change)
            due, self._due = self._due, {}
            for uid in due:
                self._look_at(uid)

    def _hear(self, change: Change) -> None:
        if change.kind in (JOBS, PODS):
            self._inbox.put(change)

    def _note(self, change: Change) -> None:
        item = change.item
        if change.kind is JOBS:
            uid = uid_of(item)
            if change.type == DELETED:
                for kept in (self._progress, self._pods, self._names, self._deadlines):
                    kept.pop(uid, None)
                return
            self._names[uid] = (namespace_of(item), name_of(item))
            self._due[uid] = None
            return
        owner = controller_of(item)
        if owner is None or owner["kind"] != JOBS.kind:
            return
        pods = self._pods.setdefault(owner["uid"], {})
        if change.type == DELETED:
            self._count_deleted(owner["uid"], item)
            pods.pop(uid_of(item), None)
        else:
            pods[uid_of(item)] = item
        self._due[owner["uid"]] = None

    def _count_deleted(self, uid: str, pod: Object) -> None:
        job = self._find(uid)
        progress = self._progress.get(uid)
        if (
            job is not None
            and progress is not None
            and uid_of(pod) not in progress.counted
            and not _is_over(job)
        ):
            progress.counted.add(uid_of(pod))
            if pod["status"].get("phase") == "Succeeded":
                count_success(progress, job, pod)
            else:
                count_failure(progress, job, pod, asyncio.get_running_loop().time())

    def _find(self, uid: str) -> Object | None:
        place = self._names.get(uid)
        found = self._cluster.store.find(JOBS, *place) if place else None
        return found.item if found is not None and uid_of(found.item) == uid else None

    def _look_at(self, uid: str) -> None:
        job = self._find(uid)
        if job is None or is_deleting(job) or _is_over(job):
            return
        progress = self._progress.setdefault(uid, Progress())
        pods = list(self._pods.get(uid, {}).values())
        self._count(job, progress, pods)
        active = [pod for pod in pods if _is_active(job, pod)]
        self._check_deadline(job, progress, uid)
        judge(progress, job, _restarts(active))
        if progress.verdict:
            self._fail(job, progress, active)
        elif is_complete(progress, job, len(active)):
            self._end(job, progress, pods)
        elif job["spec"].get("suspend"):
            self._suspend(job, progress, active)
        else:
            self._make_pods(job, progress, active, uid)

    def _count(self, job: Object, progress: Progress, pods: list[Object]) -> None:
        for pod in pods:
            phase, uid = pod["status"].get("phase"), uid_of(pod)
            if phase not in ENDED or uid in progress.counted:
                continue
            progress.counted.add(uid)
            if phase == "Succeeded":
                count_success(progress, job, pod)
            else:
                count_failure(progress, job, pod, asyncio.get_running_loop().time())

    def _check_deadline(self, job: Object, progress: Progress, uid: str) -> None:
        seconds = job["spec"].get("activeDeadlineSeconds")
        if seconds is None or job["spec"].get("suspend"):
            return
        now = asyncio.get_running_loop().time()
        if uid not in self._deadlines:
            self._deadlines[uid] = now + float(seconds)
            self._look_later(uid, float(seconds))
        elif now >= self._deadlines[uid]:
            progress.verdict = "DeadlineExceeded"
            progress.message = "Job was active longer than specified deadline"

    def _make_pods(self, job: Object, progress: Progress, active: list[Object], uid: str) -> None:
        wanted = missing(progress, job, active)
        wait_s = self._backoff(progress)
        made = 0
        if wanted and wait_s > 0:
            self._look_later(uid, wait_s)
            wanted = []
        for index in wanted:
            if not self._make_pod(job, index):
                self._look_later(uid, _RETRY_S)
                break
            made += 1
        self._tell_status(job, progress, active, made)

    def _backoff(self, progress: Progress) -> float:
        if not progress.in_a_row:
            return 0.0
        base = self._cluster.settings.job_backoff_s
        backoff = min(base * 2.0 ** min(progress.in_a_row - 1, 20), _LONGEST_BACKOFF_S)
        return progress.failed_at + backoff - asyncio.get_running_loop().time()

    def _make_pod(self, job: Object, index: int | None) -> bool:
        pod = pod_of(job, index)
        try:
            self._admission.create(PODS, namespace_of(job), pod)
        except ApiError as error:
            self._event(job, "FailedCreate", f"Error creating: {error.message}", warns=True)
            return False
        if not self._cluster.is_quiet():
            self._event(job, "SuccessfulCreate", f"Created pod: {name_of(pod)}")
        return True

    def _suspend(self, job: Object, progress: Progress, active: list[Object]) -> None:
        for pod in active:
            progress.counted.add(uid_of(pod))  # its end is no failure
            self._delete_pod(pod)
        self._tell_status(job, progress, [], 0)

    def _fail(self, job: Object, progress: Progress, active: list[Object]) -> None:
        for pod in active:
            progress.counted.add(uid_of(pod))
            self._delete_pod(pod)
        living = [
            pod for pod in self._pods.get(uid_of(job), {}).values() if pod["status"].get("phase") not in ENDED
        ]
        said = {"reason": progress.verdict, "message": progress.message}

        def change(status: Object) -> None:
            set_condition(status, "FailureTarget", "True", **said)
            if not living:
                set_condition(status, "Failed", "True", **said)

        self._tell_status(job, progress, [], 0, change)
        if not living:
            self._event(job, progress.verdict, progress.message, warns=True)
            self._remove_later(job)

    def _end(self, job: Object, progress: Progress, pods: list[Object]) -> None:
        for pod in pods:
            if pod["status"].get("phase") not in ENDED:
                self._delete_pod(pod)
        said = {"reason": "CompletionsReached", "message": "Reached expected number of succeeded pods"}

        def change(status: Object) -> None:
            set_condition(status, "SuccessCriteriaMet", "True", **said)
            set_condition(status, "Complete", "True", **said)
            status["completionTime"] = timestamp()

        self._tell_status(job, progress, [], 0, change)
        if not self._cluster.is_quiet():
            self._event(job, "Completed", "Job completed")
        self._remove_later(job)

    def _remove_later(self, job: Object) -> None:
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self._remove, uid_of(job))

    def _remove(self, uid: str) -> None:
        job = self._find(uid)
        if job is not None:
            found = self._cluster.store.get(JOBS, namespace_of(job), name_of(job))
            self._deletion.delete(JOBS, found, {"propagationPolicy": BACKGROUND})

    def _delete_pod(self, pod: Object) -> None:
        found = self._cluster.store.find(PODS, namespace_of(pod), name_of(pod))
        if found is not None and uid_of(found.item) == uid_of(pod) and not is_deleting(found.item):
            self._deletion.delete(PODS, found, {})

    def _look_later(self, uid: str, seconds: float) -> None:
        def look() -> None:
            self._due[uid] = None
            self._inbox.wake()

        asyncio.get_running_loop().call_later(seconds, look)

    def _tell_status(
        self,
        job: Object,
        progress: Progress,
        active: list[Object],
        made: int,
        change: Callable[[Object], None] | None = None,
    ) -> None:
        counts = {
            "active": len(active) + made,
            "ready": sum(1 for pod in active if pod["status"].get("phase") == "Running"),
            "succeeded": progress.succeeded,
            "failed": progress.failed,
        }

        def update(item: Object) -> None:
            status = item["status"]
            for name, value in counts.items():
                status[name] = value
                if not value and name != "ready":
                    del status[name]
            if is_indexed(job):
                status["completedIndexes"] = as_ranges(progress.done_indexes)
                if job["spec"].get("backoffLimitPerIndex") is not None:
                    status["failedIndexes"] = as_ranges(progress.failed_indexes)
            is_suspended = bool(job["spec"].get("suspend"))
            if is_suspended or condition_of(item, "Suspended") is not None:
                set_condition(status, "Suspended", "True" if is_suspended else "False")
            if not is_suspended:
                status.setdefault("startTime", timestamp())
            if change is not None:
                change(status)

        self._cluster.store.modify(JOBS, namespace_of(job), name_of(job), update)

    def _event(self, job: Object, reason: str, message: str, *, warns: bool = False) -> None:
        self._cluster.tell(JOBS, job, reason, message, component=_COMPONENT, warns=warns)


def _is_over(job: Object) -> bool:
    found = (condition_of(job, kind) for kind in ("Complete", "Failed"))
    return any(condition is not None and condition["status"] == "True" for condition in found)


def _is_active(job: Object, pod: Object) -> bool:
    if pod["status"].get("phase") in ENDED:
        return False
    return not is_deleting(pod) or job["spec"].get("podReplacementPolicy") == "Failed"


def _restarts(active: list[Object]) -> int:
    return sum(one["restartCount"] for pod in active for one in pod["status"].get("containerStatuses") or [])
