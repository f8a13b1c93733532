"""Containers as processes of this machine: quick, and close enough for most tests.

There is one file system, so a path that the pod mounts and that this machine does not have (and the termination
message's) is replaced in arguments and environment by the folder that stands for it; names of pods that the pod could
look up are replaced by their addresses. A path that this machine has (`/tmp`, `/dev/shm`) is used as it is.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.services.kube.kubelet.runtime import CannotStart, Exit, Launch, Mount
from tests.services.kube.logs import Log

_CHUNK = 65536
_PATH = os.pathsep.join((str(Path(sys.executable).parent), "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"))
_DRAIN_S = 2.0


class ProcessRuntime:
    """See the module."""

    async def start(self, launch: Launch) -> _Process:
        """Start the command, leader of a session of its own."""
        replace = _replacer(launch.mounts, launch.hosts)
        command = [replace(word) for word in launch.command]
        if not command:
            raise CannotStart("no command specified")
        env = {name: replace(value) for name, value in launch.env.items()}
        folder = _working_folder(launch, replace)
        reader, writer = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                env={"PATH": _PATH, "HOME": str(folder), **env},
                cwd=folder,
                start_new_session=True,
            )
        except OSError as error:
            os.close(reader)
            message = f'exec: "{command[0]}": {error.strerror or error}'
            raise CannotStart(message) from error
        finally:
            os.close(writer)
        return _Process(process, Output(reader, launch.log))


class _Process:
    def __init__(self, process: asyncio.subprocess.Process, output: Output) -> None:
        self._process = process
        self._output = output

    async def wait(self) -> Exit:
        """Wait for the process; what it leaves running ends with it, as in a container."""
        code = await self._process.wait()
        self._signal(signal.SIGKILL)
        await self._output.drain()
        return Exit(code=code if code >= 0 else 128 - code)

    async def terminate(self) -> None:
        if self._process.returncode is None:
            self._signal(signal.SIGTERM)

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # all of the group have ended


class Output:
    """Moves what a pipe gives into a log."""

    def __init__(self, reader: int, log: Log) -> None:
        self._reader = reader
        self._log = log
        self._ended = asyncio.Event()
        os.set_blocking(reader, False)
        asyncio.get_running_loop().add_reader(reader, self._read)

    async def drain(self) -> None:
        """Wait for the end of the pipe; whoever escaped the process group may hold it open, so not for long."""
        try:
            await asyncio.wait_for(self._ended.wait(), _DRAIN_S)
        except TimeoutError:
            self._close()

    def _read(self) -> None:
        try:
            data = os.read(self._reader, _CHUNK)
        except BlockingIOError:
            return
        if data:
            self._log.write(data)
        else:
            self._close()

    def _close(self) -> None:
        if not self._ended.is_set():
            asyncio.get_running_loop().remove_reader(self._reader)
            os.close(self._reader)
            self._log.close()
            self._ended.set()


def _working_folder(launch: Launch, replace: _Replacer) -> Path:
    asked = launch.container.get("workingDir")
    folder = Path(replace(asked)) if asked else launch.folder / "root"
    if not folder.is_dir() and launch.folder not in folder.parents:
        folder = launch.folder / "root" / str(asked).lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class _Replacer:
    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = dict(words)
        ordered = sorted(self._words, key=len, reverse=True)
        self._pattern = (
            re.compile(rf"(?<![\w./-])({'|'.join(map(re.escape, ordered))})(?![\w.-])") if ordered else None
        )

    def __call__(self, text: str) -> str:
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: self._words[found[1]], text)


def _replacer(mounts: tuple[Mount, ...], hosts: Mapping[str, str]) -> _Replacer:
    paths = {mount.path: str(mount.source) for mount in mounts if not Path(mount.path).is_dir()}
    return _Replacer({**paths, **hosts})
