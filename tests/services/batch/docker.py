"""Containers in a real Docker engine: host network, the host's programs read-only, memory limits that kill."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from tests.services.batch.runners import Call, CannotStart, Container, Ended, Line, path_of
from tests.services.batch.words import OUT_OF_MEMORY, cannot_pull, cannot_start

_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc")
_KILLED = 137


class Docker:
    """Speaks with the engine that DOCKER_HOST names."""

    def __init__(self) -> None:
        import docker

        self._client = docker.DockerClient(
            base_url=os.environ.get("DOCKER_HOST"), timeout=60, max_pool_size=64
        )

    def start(self, call: Call, line: Line) -> Container:
        from docker import errors
        from docker.types import LogConfig

        self._need_image(call.image)
        container = self._client.containers.create(
            call.image,
            list(call.command),
            name=call.name,
            environment={"PATH": path_of(call.image), "LANG": "C.UTF-8", **call.environment},
            network_mode="host",
            mem_limit=f"{call.memory_mib}m",
            memswap_limit=f"{call.memory_mib}m",
            volumes={place: {"bind": place, "mode": "ro"} for place in _places(call.image)},
            working_dir="/tmp",
            log_config=LogConfig(type=LogConfig.types.JSON),
        )
        try:
            container.start()
        except errors.APIError as error:
            container.remove(force=True)
            raise CannotStart(cannot_start(call.command[0] if call.command else "")) from error
        return _Running(container, line)

    def _need_image(self, image: str) -> None:
        """Look at what is here: nothing is pulled from anywhere."""
        from docker import errors

        try:
            self._client.images.get(image)
        except errors.APIError as error:
            raise CannotStart(cannot_pull(image)) from error


def _places(image: str) -> list[str]:
    """Return what of the host a container sees; the image itself is empty."""
    interpreter = Path(os.path.realpath(sys.executable)).parents[1]
    places = [*_SYSTEM, str(interpreter), sys.prefix, path_of(image).partition(":")[0]]
    return sorted({place for place in places if os.path.exists(place)})


class _Running:
    def __init__(self, container: Any, line: Line) -> None:  # Any: docker's Container
        self._container = container
        self._line = line
        self._is_stopped = False

    def wait(self) -> Ended:
        self._follow()
        code = int(self._container.wait()["StatusCode"])
        self._container.reload()
        # The engine's word comes late, or not at all (containerd issues 8893, 12372); a first process cannot be
        # killed from inside, so without an order of ours it was the kernel.
        was_oom = self._container.attrs["State"]["OOMKilled"] or (code == _KILLED and not self._is_stopped)
        self._container.remove(force=True)
        return Ended(exit_code=code, reason=OUT_OF_MEMORY if was_oom else None)

    def _follow(self) -> None:
        rest = b""
        for chunk in self._container.logs(stream=True, follow=True):
            *lines, rest = (rest + chunk).split(b"\n")
            for each in lines:
                self._line(each.decode(errors="replace").rstrip("\r"))
        if rest:
            self._line(rest.decode(errors="replace"))

    def stop(self, grace_s: float) -> None:
        import threading

        self._is_stopped = True
        # The engine's answer comes when the container has ended: nobody waits for it here.
        threading.Thread(target=self._stop, args=(grace_s,), daemon=True).start()

    def _stop(self, grace_s: float) -> None:
        from docker import errors

        try:
            self._container.stop(timeout=max(1, round(grace_s)))
        except errors.APIError:
            pass  # it has ended by itself

    def kill(self) -> None:
        from docker import errors

        self._is_stopped = True
        try:
            self._container.kill()
        except errors.APIError:
            pass  # it has ended by itself
