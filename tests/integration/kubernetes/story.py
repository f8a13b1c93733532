"""What the tests of the platform say often: jobs, a platform of the test server, waiting for what becomes of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from asyncflow.backends.kubernetes.platform import KubernetesPlatform, Timing
from asyncflow.backends.kubernetes.provider import KubernetesProvider
from asyncflow.backends.kubernetes.tending import Limits
from asyncflow.backends.remote.platform import Gang, Job, JobSeen, Phase, Size, environment_of
from asyncflow.backends.remote.provider import PlatformContext, StepRequest
from asyncflow.flow.decorators.compute import Kubernetes
from asyncflow.machine.ids import Attempt
from tests.services.kube.fixture import Kube

OWNER = "0badcafe"
WAIT_S = 30


def job(
    task: int,
    script: str = "true",
    *,
    number: int = 0,
    run: int = 7,
    index: int = 0,
    gang: Gang | None = None,
    timeout_s: float | None = None,
    size: Size | None = None,
    **options: Any,
) -> Job:
    """Return an attempt that runs a script; `options` are those of @kubernetes."""
    return Job(
        name=f"af-{OWNER}-{run}-{task}-{number}",
        attempt=Attempt(task, number),
        run=run,
        flow="TestFlow",
        step="work",
        user="ada",
        owner=OWNER,
        command=("sh", "-c", script),
        environment={"GREETING": "hello"},
        index=index,
        options=Kubernetes(**options).attributes(),
        size=size or Size(cpu=1.0, memory_mb=256.0, disk_mb=100.0),
        timeout_s=timeout_s,
        gang=gang,
    )


def context(
    kube: Kube, *, run: int | None = 7, steps: Sequence[StepRequest] = (), **settings: Any
) -> PlatformContext:
    """Return the run for which the platform is opened."""
    said = {"kubeconfig": str(kube.config), **settings}
    return PlatformContext(owner=OWNER, run=run, flow="TestFlow", user="ada", steps=steps, settings=said)


def timing(
    *,
    silence_s: float = 20.0,
    close_s: float = 10.0,
    outage_s: float = 30.0,
    open_s: float = 15.0,
    **limits: float,
) -> Timing:
    """Return times that tests can wait for."""
    patient = {"pending_s": 3600.0, "linger_s": 0.2, "tick_s": 0.1, **limits}
    return Timing(
        limits=Limits(**patient), silence_s=silence_s, close_s=close_s, outage_s=outage_s, open_s=open_s
    )


class Listener:
    """Hears what a platform tells."""

    def __init__(self) -> None:
        self.told: list[JobSeen] = []
        self.failure: BaseException | None = None
        self._heard = asyncio.Condition()

    async def listen(self, platform: KubernetesPlatform) -> None:
        """Hear until the platform is closed."""
        try:
            async with aclosing(platform.changes()) as changes:
                async for seen in changes:
                    await self._hear(seen)
        except Exception as error:
            self.failure = error
            await self._hear([])

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Wait for something to be true of what was told."""
        async with asyncio.timeout(WAIT_S), self._heard:
            await self._heard.wait_for(condition)

    async def ended(self, *tasks: int) -> list[JobSeen]:
        """Wait for the ends of tasks; return them in the order of `tasks`."""
        await self.wait(lambda: all(self.ends(task) for task in tasks))
        return [self.ends(task)[0] for task in tasks]

    async def failed(self) -> BaseException:
        """Wait until the platform gives up; return why."""
        await self.wait(lambda: self.failure is not None)
        assert self.failure is not None
        return self.failure

    async def running(self, *tasks: int) -> None:
        """Wait until tasks run."""
        await self.wait(
            lambda: all(any(one.phase is Phase.RUNNING for one in self.of(task)) for task in tasks)
        )

    async def noted(self, task: int, words: str) -> str:
        """Wait for a note with these words; return it."""
        await self.wait(lambda: any(words in one.note for one in self.of(task)))
        return next(one.note for one in self.of(task) if words in one.note)

    def of(self, task: int) -> list[JobSeen]:
        """Return all that was told of a task."""
        return [one for one in self.told if one.attempt.task == task]

    def ends(self, task: int) -> list[JobSeen]:
        """Return the ends that were told of a task."""
        return [one for one in self.of(task) if one.phase is Phase.ENDED]

    async def _hear(self, seen: Iterable[JobSeen]) -> None:
        async with self._heard:
            self.told.extend(seen)
            self._heard.notify_all()


@asynccontextmanager
async def opened(
    kube: Kube, *, times: Timing | None = None, run: int = 7, **settings: Any
) -> AsyncIterator[tuple[Any, Listener]]:
    """Open a platform and listen to it."""
    listener = Listener()
    async with (
        KubernetesProvider().open(context(kube, run=run, **settings), timing=times or timing()) as platform,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(listener.listen(platform))
        yield platform, listener
        await platform.aclose()


async def pods(kube: Kube) -> list[Mapping[str, Any]]:
    """Return the namespace's pods as they are."""
    async with kube.client() as api:
        response = await api.call_api(
            f"/api/v1/namespaces/{kube.namespace}/pods",
            "GET",
            auth_settings=["BearerToken"],
            response_types_map={200: "object"},
            _return_http_data_only=True,
        )
    return response["items"]


async def wait_no_pods(kube: Kube, run: int | None = None) -> None:
    """Wait until no pod is left, or none of a run."""
    async with asyncio.timeout(WAIT_S):
        while any(  # noqa: ASYNC110 - the server is another process
            run is None or label_of(pod, "run") == str(run) for pod in await pods(kube)
        ):
            await asyncio.sleep(0.05)


def label_of(pod: Mapping[str, Any], name: str) -> str:
    """Return a label of ours."""
    return str(pod["metadata"].get("labels", {}).get(f"asyncflow/{name}", ""))


def limit_pods(kube: Kube, most: int) -> None:
    """Let there be at most so many pods in the namespace."""
    spec = {"hard": {"pods": str(most)}}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": spec}
    kube.kubectl("create", "-f", "-", stdin=json.dumps(quota))


__all__ = [
    "OWNER",
    "Listener",
    "context",
    "environment_of",
    "job",
    "limit_pods",
    "opened",
    "pods",
    "timing",
    "wait_no_pods",
]
