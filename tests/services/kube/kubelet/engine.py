"""Containers of a real engine: docker or podman, whichever the machine has.

No image can be pulled where these tests run, so every image is this machine's own file system: with podman as a
copy-on-write root, with docker an empty image with the system's folders, the interpreter and this repository mounted
read-only. Memory limits are the engine's, so a container that uses too much is killed by the kernel.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from tests.services.kube.kubelet.process import Output
from tests.services.kube.kubelet.runtime import OOM_EXIT, CannotStart, Exit, Launch, Mount
from tests.services.kube.quantity import parse_quantity

IMAGE = "kubetest/host:1"
_FOLDERS = (
    "usr",
    "lib",
    "lib64",
    "bin",
    "sbin",
    "etc",
    "root",
    "tmp",
    "proc",
    "sys",
    "dev",
    "work",
    "opt",
    "var",
)
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc")
_REPOSITORY = Path(__file__).resolve().parents[4]
_PATH = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
_NEVER = "0001-01-01"


class EngineRuntime:
    """Runs containers with the command line of an engine."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._ready = asyncio.Lock()
        self._has_image = engine == "podman"

    async def start(self, launch: Launch) -> _Container:
        """Start a container; its output comes through the engine's client, which stays attached."""
        await self._make_image()
        if not launch.command:
            raise CannotStart("no command specified")
        arguments = [self._engine, "run", "--name", launch.id, *_options(launch, self._engine)]
        arguments += ["--rootfs", "/:O"] if self._engine == "podman" else [IMAGE]
        reader, writer = os.pipe()
        try:
            client = await asyncio.create_subprocess_exec(
                *arguments,
                *launch.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                start_new_session=True,
            )
        except OSError as error:
            os.close(reader)
            raise CannotStart(f"{self._engine}: {error}") from error
        finally:
            os.close(writer)
        return _Container(self._engine, launch, client, Output(reader, launch.log))

    async def _make_image(self) -> None:
        async with self._ready:
            if not self._has_image:
                await import_empty_image(self._engine)
                self._has_image = True


class _Container:
    def __init__(
        self, engine: str, launch: Launch, client: asyncio.subprocess.Process, output: Output
    ) -> None:
        self._engine = engine
        self._launch = launch
        self._client = client
        self._output = output
        self._is_killed = False

    async def wait(self) -> Exit:
        """Wait for the container; then ask the engine how it ended, and remove it."""
        code = await self._client.wait()
        await self._output.drain()
        state = await self._state()
        await call(self._engine, "rm", "-f", self._launch.id)
        if str(state.get("StartedAt", _NEVER)).startswith(_NEVER):
            message = state.get("Error") or self._launch.log.tail(5, 500)
            raise CannotStart(str(message or f"{self._engine} exited with {code}"))
        code = int(str(state.get("ExitCode", code)))
        return Exit(code=code, was_oom=bool(state.get("OOMKilled")) or self._looks_like_oom(code))

    def _looks_like_oom(self, code: int) -> bool:
        """Whether nobody but the kernel can have killed it: the engines' own word comes late, or not at all.

        The notice of the kernel races with the container's end (containerd issues 8893, 12372). A first process
        cannot be killed from inside, so without an order of ours it was the kernel.
        """
        limits = (self._launch.container.get("resources") or {}).get("limits") or {}
        return code == OOM_EXIT and not self._is_killed and "memory" in limits

    async def terminate(self) -> None:
        await call(self._engine, "kill", "--signal", "TERM", self._launch.id)

    async def kill(self) -> None:
        self._is_killed = True
        if self._client.returncode is None:
            await call(self._engine, "rm" if self._is_cancelled() else "kill", *self._how(), self._launch.id)

    def _is_cancelled(self) -> bool:
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0

    def _how(self) -> tuple[str, ...]:
        return ("-f",) if self._is_cancelled() else ("--signal", "KILL")

    async def _state(self) -> dict[str, object]:
        code, text = await call(self._engine, "inspect", "--format", "{{json .State}}", self._launch.id)
        state: dict[str, object] = json.loads(text) if code == 0 and text.strip() else {}
        return state


async def call(*command: str, stdin: bytes = b"") -> tuple[int, str]:
    """Run the engine's client; return its exit code and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    text, _ = await process.communicate(stdin)
    return process.returncode or 0, text.decode(errors="replace")


async def import_empty_image(engine: str) -> None:
    """Give docker an image of nothing but folders, unless it has it.

    Raises:
        CannotStart: The engine refuses, or does not run.
    """
    code, _ = await call(engine, "image", "inspect", IMAGE)
    if code == 0:
        return
    code, text = await call(engine, "import", "-", IMAGE, stdin=_empty_archive())
    if code != 0:
        raise CannotStart(text.strip())


def _empty_archive() -> bytes:
    import io
    import tarfile

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in _FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            archive.addfile(folder)
    return packed.getvalue()


def _options(launch: Launch, engine: str) -> list[str]:
    options = ["--network", "host", "--env", f"PATH={_PATH}"]
    for name, value in launch.env.items():
        options += ["--env", f"{name}={value}"]
    for mount in launch.mounts:
        options += ["--volume", f"{mount.source}:{mount.path}{':ro' if mount.read_only else ''}"]
    if engine == "docker":
        for folder in _host_folders(launch.mounts):
            options += ["--volume", f"{folder}:{folder}:ro"]
    if launch.container.get("workingDir"):
        options += ["--workdir", str(launch.container["workingDir"])]
    limits = (launch.container.get("resources") or {}).get("limits") or {}
    if "memory" in limits:
        size = int(parse_quantity(str(limits["memory"])))
        options += ["--memory", str(size), "--memory-swap", str(size)]
    if "cpu" in limits:
        options += ["--cpus", f"{min(parse_quantity(str(limits['cpu'])), float(os.cpu_count() or 1)):g}"]
    if engine == "docker":  # podman's names are in its copy of the host's file system
        options += [f"--add-host={name}:{address}" for name, address in launch.hosts.items()]
    return options


def _host_folders(mounts: tuple[Mount, ...]) -> list[str]:
    taken = {mount.path for mount in mounts}
    prefixes = {sys.prefix, sys.base_prefix, str(_REPOSITORY)}
    folders = [*_SYSTEM, *sorted(folder for folder in prefixes if not folder.startswith(("/usr/", "/usr")))]
    return [folder for folder in folders if Path(folder).exists() and folder not in taken]
