"""A Job's pods: how they are made from its template, and what their ends mean for the Job. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field

from tests.services.kube.kinds import JOBS
from tests.services.kube.objects import Object, condition_of, name_of, owner_reference, random_suffix

INDEX = "batch.kubernetes.io/job-completion-index"
FAIL_JOB = "FailJob"
FAIL_INDEX = "FailIndex"
IGNORE = "Ignore"
COUNT = "Count"


@dataclass(slots=True, kw_only=True)
class Progress:
    """What has become of a Job's pods."""

    succeeded: int = 0
    failed: int = 0
    done_indexes: set[int] = field(default_factory=set)
    failed_indexes: set[int] = field(default_factory=set)
    failures_by_index: dict[int, int] = field(default_factory=dict)
    counted: set[str] = field(default_factory=set)
    """Pods by uid."""
    failed_at: float = 0.0
    """When a pod failed last, on the loop's clock."""
    in_a_row: int = 0
    """Failures since the last success."""
    verdict: str = ""
    """The reason for which the Job fails, once it does."""
    message: str = ""


def is_indexed(job: Object) -> bool:
    """Whether each of its pods has a number."""
    return job["spec"].get("completionMode") == "Indexed"


def index_of(pod: Object) -> int:
    """Return a pod's number; -1 if it has none."""
    return int((pod["metadata"].get("annotations") or {}).get(INDEX, -1))


def pod_of(job: Object, index: int | None) -> Object:
    """Return a pod as the Job makes it."""
    template = deepcopy(job["spec"]["template"])
    metadata = template.get("metadata") or {}
    prefix = name_of(job) if index is None else f"{name_of(job)}-{index}"
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{prefix[:57]}-{random_suffix()}",
            "generateName": f"{prefix[:57]}-",
            "labels": dict(metadata.get("labels") or {}),
            "annotations": dict(metadata.get("annotations") or {}),
            "ownerReferences": [owner_reference(job, JOBS.kind, JOBS.api_version)],
        },
        "spec": template["spec"],
    }
    if index is not None:
        _number(pod, job, index)
    return pod


def _number(pod: Object, job: Object, index: int) -> None:
    pod["metadata"]["labels"][INDEX] = str(index)
    pod["metadata"]["annotations"][INDEX] = str(index)
    spec = pod["spec"]
    spec.setdefault("hostname", f"{name_of(job)}-{index}"[:63])
    reference = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
    for container in (*(spec.get("initContainers") or []), *spec["containers"]):
        container.setdefault("env", []).append({"name": "JOB_COMPLETION_INDEX", "valueFrom": reference})


def action_for(job: Object, pod: Object) -> tuple[str, str]:
    """Return what the Job's podFailurePolicy says of a failed pod, and why."""
    policy = job["spec"].get("podFailurePolicy") or {}
    for place, rule in enumerate(policy.get("rules") or []):
        why = _by_exit_codes(rule.get("onExitCodes"), pod) or _by_conditions(rule.get("onPodConditions"), pod)
        if why:
            return rule["action"], f"{why} matching {rule['action']} rule at index {place}"
    return COUNT, ""


def _by_exit_codes(wanted: Object | None, pod: Object) -> str:
    if wanted is None:
        return ""
    for status in (pod.get("status") or {}).get("containerStatuses") or []:
        ended = status["state"].get("terminated")
        if (
            ended is None
            or ended["exitCode"] == 0
            or wanted.get("containerName", status["name"]) != status["name"]
        ):
            continue
        if (ended["exitCode"] in wanted["values"]) == (wanted["operator"] == "In"):
            title = f"{pod['metadata'].get('namespace')}/{name_of(pod)}"
            return f"Container {status['name']} for pod {title} failed with exit code {ended['exitCode']}"
    return ""


def _by_conditions(wanted: Iterable[Object] | None, pod: Object) -> str:
    for pattern in wanted or ():
        found = condition_of(pod, pattern["type"])
        if found is not None and found["status"] == pattern.get("status", "True"):
            return f"Pod {pod['metadata'].get('namespace')}/{name_of(pod)} has condition {pattern['type']}"
    return ""


def count_success(progress: Progress, job: Object, pod: Object) -> None:
    """Note that a pod succeeded."""
    progress.in_a_row = 0
    if not is_indexed(job):
        progress.succeeded += 1
        return
    progress.done_indexes.add(index_of(pod))
    progress.succeeded = len(progress.done_indexes)


def count_failure(progress: Progress, job: Object, pod: Object, now: float) -> None:
    """Note that a pod failed."""
    action, why = action_for(job, pod)
    if action == IGNORE:
        return
    if action == FAIL_JOB:
        progress.verdict, progress.message = "PodFailurePolicy", why
    progress.failed += 1
    progress.in_a_row += 1
    progress.failed_at = now
    if is_indexed(job):
        _count_for_index(progress, job, index_of(pod), gives_up=action == FAIL_INDEX)


def _count_for_index(progress: Progress, job: Object, index: int, *, gives_up: bool) -> None:
    failures = progress.failures_by_index.get(index, 0) + 1
    progress.failures_by_index[index] = failures
    limit = job["spec"].get("backoffLimitPerIndex")
    if gives_up or (limit is not None and failures > limit):
        progress.failed_indexes.add(index)


def judge(progress: Progress, job: Object, restarts: int) -> None:
    """Decide whether the Job has failed."""
    spec = job["spec"]
    if progress.verdict:
        return
    if progress.failed + restarts > spec["backoffLimit"]:
        progress.verdict = "BackoffLimitExceeded"
        progress.message = "Job has reached the specified backoff limit"
    most = spec.get("maxFailedIndexes")
    if most is not None and len(progress.failed_indexes) > most:
        progress.verdict = "MaxFailedIndexesExceeded"
        progress.message = "Job has exceeded the specified maximal number of failed indexes"
    all_done = is_indexed(job) and len(progress.done_indexes | progress.failed_indexes) == spec["completions"]
    if progress.failed_indexes and all_done:
        progress.verdict, progress.message = "FailedIndexes", "Job has failed indexes"


def is_complete(progress: Progress, job: Object, active: int) -> bool:
    """Whether the Job has succeeded."""
    completions = job["spec"].get("completions")
    if completions is None:
        return progress.succeeded > 0 and active == 0
    return progress.succeeded >= completions


def missing(progress: Progress, job: Object, active: list[Object]) -> list[int | None]:
    """Return the pods that are to be made now: their numbers, or None for a pod without one."""
    spec = job["spec"]
    completions = spec.get("completions")
    if completions is None:
        wanted = 0 if progress.succeeded else spec["parallelism"] - len(active)
        return [None] * max(0, wanted)
    places = min(spec["parallelism"], completions - progress.succeeded) - len(active)
    if not is_indexed(job):
        return [None] * max(0, places)
    taken = progress.done_indexes | progress.failed_indexes | {index_of(pod) for pod in active}
    free = (index for index in range(completions) if index not in taken)
    return [index for index, _ in zip(free, range(max(0, places)), strict=False)]


def as_ranges(indexes: Iterable[int]) -> str:
    """Return numbers as a Job's status writes them: `0-2,5`."""
    ranges: list[list[int]] = []
    for index in sorted(indexes):
        if ranges and ranges[-1][1] == index - 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
