"""One container's life: its image, its settings, its runs, and what its status says of them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.services.kube.cluster import Cluster
from tests.services.kube.kinds import PODS
from tests.services.kube.kubelet.runtime import OOM_EXIT, CannotStart, Exit, Launch, Running, Runtime
from tests.services.kube.kubelet.setting import NotReady, command_of, environment, hosts_of, mounts_of
from tests.services.kube.logs import Log
from tests.services.kube.objects import Object, namespace_of, timestamp, uid_of
from tests.services.kube.orders import Trouble

_MESSAGE_BYTES = 4096
_START_ERROR_EXIT = 128
_FOR_EVER = 86400.0


class ContainerKeeper:
    """Starts a container, again if its restart policy says so, and keeps its status."""

    def __init__(
        self, cluster: Cluster, runtime: Runtime, pod: Object, container: Object, *, tell: Callable[[], None]
    ) -> None:
        self._cluster = cluster
        self._runtime = runtime
        self._pod = pod
        self._container = container
        self._tell = tell
        """Called when the status has changed."""
        self._running: Running | None = None
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._is_killed_for_memory = False
        self.exit_code: int | None = None
        """Of the last run, once it has ended."""
        self.status: Object = {
            "name": container["name"],
            "image": container.get("image", ""),
            "imageID": "",
            "restartCount": 0,
            "ready": False,
            "started": False,
            "state": {"waiting": {"reason": "ContainerCreating"}},
            "lastState": {},
        }

    @property
    def is_running(self) -> bool:
        """Whether a process of it runs now."""
        return self._running is not None

    async def keep(self, restarts: Callable[[int], bool], folder: Path, volumes: Mapping[str, Path]) -> None:
        """Run it until it has ended for good, or was stopped.

        Args:
            restarts: Whether it is run again after this exit code.
            folder: The pod's.
            volumes: Their folders.
        """
        await self._pull()
        backoff = self._cluster.settings.restart_backoff_s
        while not self._stopping.is_set():
            ended = await self._run_once(folder, volumes)
            if ended is None or self._stopping.is_set() or not restarts(ended):
                return
            self.status["restartCount"] += 1
            self.status["lastState"] = self.status["state"]
            waiting = {
                "reason": "CrashLoopBackOff",
                "message": f"back-off {backoff:g}s restarting failed container",
            }
            self._set("waiting", waiting)
            await self._pause(backoff)
            backoff = min(backoff * 2, 300.0)

    async def stop(self, grace_s: float) -> None:
        """Ask it to end, wait so long, then end it."""
        self._stopping.set()
        if self._running is None:
            return
        if grace_s > 0:
            await self._running.terminate()
            try:
                await asyncio.wait_for(self._idle.wait(), grace_s)
            except TimeoutError:
                pass
        if self._running is not None:
            await self._running.kill()

    async def kill_for_memory(self) -> None:
        """End it as the kernel does when memory is short."""
        self._is_killed_for_memory = True
        if self._running is not None:
            await self._running.kill()

    async def _pull(self) -> None:
        image = self._container.get("image", "")
        place = {"resource": "pods", "namespace": namespace_of(self._pod), "name": image}
        slow = self._cluster.orders.take((Trouble.SLOW_IMAGE,), **place)
        if slow is not None:
            self._event("Pulling", f'Pulling image "{image}"')
            await self._pause(slow.number("delay_s", 1.0))
        while not self._stopping.is_set() and self._cluster.orders.take((Trouble.NO_IMAGE,), **place):
            message = f'failed to pull and unpack image "{image}": {image}: not found'
            self._set("waiting", {"reason": "ErrImagePull", "message": message})
            self._event("Failed", f'Failed to pull image "{image}": {message}', warns=True)
            await self._pause(self._cluster.settings.image_backoff_s)
            if not self._stopping.is_set():
                message = f'Back-off pulling image "{image}"'
                self._set("waiting", {"reason": "ImagePullBackOff", "message": message})
                self._event("BackOff", message)
                await self._pause(self._cluster.settings.image_backoff_s)

    async def _run_once(self, folder: Path, volumes: Mapping[str, Path]) -> int | None:
        env = await self._wait_settings()
        if env is None:
            return None
        message_file = folder / f"termination-{self._container['name']}-{self.status['restartCount']}"
        if self._cluster.settings.mode != "noop" or self._cluster.settings.noop_call:
            _touch(message_file)
        log = self._cluster.logs.open(uid_of(self._pod), self._container["name"])
        launch = Launch(
            id=f"kubetest-{uuid.uuid4().hex}",
            pod=self._pod,
            container=self._container,
            command=command_of(self._container, env),
            env=env,
            folder=folder,
            mounts=mounts_of(self._pod, self._container, volumes, message_file),
            hosts=hosts_of(self._pod, self._cluster.store),
            log=log,
        )
        started = timestamp()
        self.status["containerID"] = f"{self._cluster.settings.mode}://{launch.id}"
        try:
            ended = await self._run(launch, started)
        except CannotStart as error:
            log.close()
            self._event("Failed", f"Error: {error}", warns=True)
            return self._ended(Exit(code=_START_ERROR_EXIT), started, str(error), reason="StartError")
        return self._ended(ended, started, _message(self._container, message_file, log, ended.code))

    async def _run(self, launch: Launch, started: str) -> Exit:
        self._running = await self._runtime.start(launch)
        self._idle.clear()
        try:
            self.status["imageID"] = f"sha256:{launch.container.get('image', '')}"
            self.status.update(ready=True, started=True)
            self._set("running", {"startedAt": started})
            self._event("Started", f"Started container {self._container['name']}")
            if self._is_killed_for_memory:
                await self._running.kill()
            return await self._running.wait()
        except asyncio.CancelledError:
            await self._running.kill()
            raise
        finally:
            self._running = None
            self._idle.set()

    def _ended(self, ended: Exit, started: str, message: str, *, reason: str = "") -> int:
        was_oom = ended.was_oom or self._is_killed_for_memory
        code = OOM_EXIT if was_oom else ended.code
        told = reason or ("OOMKilled" if was_oom else "Completed" if code == 0 else "Error")
        state = {"exitCode": code, "reason": told, "startedAt": started, "finishedAt": timestamp()}
        if message:
            state["message"] = message
        self._is_killed_for_memory = False
        self.exit_code = code
        self.status.update(ready=False, started=False)
        state["containerID"] = self.status["containerID"]
        self._set("terminated", state)
        return code

    async def _wait_settings(self) -> dict[str, str] | None:
        while not self._stopping.is_set():
            try:
                return environment(self._pod, self._container, self._cluster.store)
            except NotReady as error:
                self._set("waiting", {"reason": "CreateContainerConfigError", "message": str(error)})
                self._event("Failed", f"Error: {error}", warns=True)
                await self._pause(self._cluster.settings.image_backoff_s)
        return None

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), min(seconds, _FOR_EVER))
        except TimeoutError:
            pass

    def _set(self, kind: str, state: Object) -> None:
        changed = self.status["state"] != {kind: state}
        self.status["state"] = {kind: state}
        if changed:
            self._tell()

    def _event(self, reason: str, message: str, *, warns: bool = False) -> None:
        if warns or not self._cluster.is_quiet():
            self._cluster.tell(PODS, self._pod, reason, message, component="kubelet", warns=warns)


def _touch(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)  # of a pod without a process nobody has made it
    file.touch()


def _message(container: Object, message_file: Path, log: Log, code: int) -> str:
    try:
        with message_file.open("rb") as file:
            text = file.read(_MESSAGE_BYTES).decode(errors="replace")
    except OSError:
        text = ""
    if not text and code != 0 and container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
        return log.tail(80, 2048)
    return text
