"""Limits over several runs at once, seen by a server that counts."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.integration.limits.server import Counts, counting_server

FLOWS = Path(__file__).parent / "flows"
TASKS = 40
RATE = 20


class Place:
    """A store for each run, and one runtime directory for all."""

    def __init__(self, path: Path, counts: Counts) -> None:
        self.path = path
        self.runtime = path / "runtime"
        self.runtime.mkdir(mode=0o700, exist_ok=True)
        self._counts = counts

    async def run(self, name: str, flow: str = "calls") -> asyncio.subprocess.Process:
        return await self._start(name, flow, "run", "--count", str(TASKS))

    async def resume(self, name: str) -> asyncio.subprocess.Process:
        return await self._start(name, "calls", "resume", "--origin-run-id", "1")

    async def _start(self, name: str, flow: str, *arguments: str) -> asyncio.subprocess.Process:
        environment = {
            **os.environ,
            "ASYNCFLOW_HOME": str(self.path / name),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "TEST_URL": self._counts.url,
            "TEST_KEY": "api",
            "TEST_RATE": str(RATE),
        }
        return await asyncio.create_subprocess_exec(
            sys.executable,
            str(FLOWS / f"{flow}.py"),
            *arguments,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    def held(self) -> list[str]:
        return [file.read_text() for file in self.runtime.glob("asyncflow/limits/*/ledger.json")]


async def _succeed(process: asyncio.subprocess.Process) -> None:
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("flow", ["calls", "async_calls"])
async def test_two_runs_at_once_never_exceed_a_limit_together(tmp_path: Path, flow: str) -> None:
    async with counting_server() as counts:
        place = Place(tmp_path, counts)
        for process in [await place.run("one", flow), await place.run("two", flow)]:
            await _succeed(process)
        assert counts.slow == 2 * TASKS
        assert 1 < counts.most <= 5
        assert len(counts.quick) == 2 * TASKS
        assert counts.most_within(1.0) <= RATE
        assert all('"holders": {}' in ledger for ledger in place.held())


@pytest.mark.timeout(120)
async def test_a_run_that_is_killed_leaves_its_permits_to_the_others_until_it_is_resumed(
    tmp_path: Path,
) -> None:
    async with counting_server() as counts:
        place = Place(tmp_path, counts)
        killed = await place.run("killed")
        await counts.wait_for_slow(5)
        other = await place.run("other")
        await counts.wait_for_slow(15)
        killed.send_signal(signal.SIGKILL)
        await killed.communicate()
        await asyncio.gather(_succeed(other), _succeed(await place.resume("killed")))
        assert 1 < counts.most <= 5
        assert counts.most_within(1.0) <= RATE
