"""The service of examples/service, started as its README says, used by a real HTTP client."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

ROOT = Path(__file__).parents[3]


@contextmanager
def served(home: Path) -> Iterator[tuple[str, psutil.Popen]]:
    """Run the service on a free port; everything below it must be gone at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-m", "uvicorn", "app:app", "--app-dir", str(ROOT / "examples" / "service")),
        *("--port", str(port), "--timeout-graceful-shutdown", "3", "--log-level", "warning"),
    ]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = psutil.Popen(command, env={**os.environ, "ASYNCFLOW_HOME": str(home), "PYTHONPATH": path})
    try:
        _wait_for(f"http://127.0.0.1:{port}/ping", process)
        yield f"http://127.0.0.1:{port}", process
    finally:
        below = []
        if process.poll() is None:
            below = process.children(recursive=True)
            process.terminate()
            process.wait(30)
        assert psutil.wait_procs(below, timeout=10)[1] == []


def _wait_for(url: str, process: psutil.Popen) -> None:
    for _ in range(600):
        try:
            httpx.get(url)
            return
        except httpx.TransportError:
            assert process.poll() is None, "the service ended"
            time.sleep(0.05)
    raise AssertionError("the service does not answer")


async def follow(
    client: httpx.AsyncClient, run: int, *, pause_s: float = 0.0, after: int | None = None
) -> list[dict[str, object]]:
    """Return the data of a run's server-sent events."""
    seen: list[dict[str, object]] = []
    headers = {} if after is None else {"last-event-id": str(after)}
    async with client.stream("GET", f"/runs/{run}/events", headers=headers, timeout=60) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line.removeprefix("data: ")))
                await asyncio.sleep(pause_s)
    return seen


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, psutil.Popen]]:
    with served(tmp_path / "store") as (url, process):
        limits = httpx.Limits(max_connections=200)
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
            yield client, process


async def _start(client: httpx.AsyncClient, flow: str, **params: object) -> int:
    answer = await client.post("/runs", json={"flow": flow, "params": params})
    assert answer.status_code == 201, answer.text
    return answer.json()["run"]


async def test_a_run_is_started_followed_and_its_result_read(
    service: tuple[httpx.AsyncClient, psutil.Popen],
) -> None:
    client, _ = service
    run = await _start(client, "primes", below=1000, pieces=4)
    events = await follow(client, run)
    assert [event["seq"] for event in events[:-1]] == list(range(len(events) - 1))
    assert events[-1] == {"run": run, "flow": "PrimesFlow", "status": "succeeded"}
    assert (await client.get(f"/runs/{run}/result")).json()["primes"] == 168
    assert (await client.get("/runs")).json() == [events[-1]]
    rest = await follow(client, run, after=9)
    assert rest == events[10:]


async def test_what_is_wrong_is_told_to_the_client(
    service: tuple[httpx.AsyncClient, psutil.Popen],
) -> None:
    client, _ = service
    for body, status in (
        ({"flow": "letters", "params": {"txt": "x"}}, 422),
        ({"flow": "missing"}, 422),
        ({"flow": "primes", "params": {"below": "many"}}, 422),
    ):
        answer = await client.post("/runs", json=body)
        assert answer.status_code == status
        assert answer.json()["detail"]
    assert (await client.get("/runs/7")).status_code == 404
    run = await _start(client, "letters", text=" ")
    answer = await client.get(f"/runs/{run}/result")
    assert answer.status_code == 409
    assert "the text is empty" in answer.json()["detail"]


async def test_a_run_is_cancelled_and_resumed(service: tuple[httpx.AsyncClient, psutil.Popen]) -> None:
    client, _ = service
    run = await _start(client, "primes", below=1000, pieces=4, pause=30)
    assert (await client.delete(f"/runs/{run}")).json()["status"] == "cancelled"
    assert (await client.get(f"/runs/{run}/result")).status_code == 409
    again = (await client.post(f"/runs/{run}/resume")).json()["run"]
    assert again != run
    assert (await client.delete(f"/runs/{again}")).json()["status"] == "cancelled"


async def _alone(process: psutil.Popen, stem: psutil.Process) -> None:
    """Wait until a service has no process but its stem: a run's own end a moment after its result is told."""
    for _ in range(500):
        if process.children(recursive=True) == [stem]:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"there are still {process.children(recursive=True)}")


async def test_twenty_runs_at_once_with_fifty_listeners_slow_and_fast(
    service: tuple[httpx.AsyncClient, psutil.Popen],
) -> None:
    client, process = service
    warm = await _start(client, "primes", below=1000, pieces=2)
    await client.get(f"/runs/{warm}/result")
    (stem,) = process.children()
    await _alone(process, stem)
    threads_before = process.num_threads()
    runs = [await _start(client, "primes", below=1000, pieces=10) for _ in range(20)]
    listening = [follow(client, runs[at % 20], pause_s=0.005 * (at % 5 == 0)) for at in range(50)]
    heard = await asyncio.gather(*listening)
    for events in heard:
        assert [event["seq"] for event in events[:-1]] == list(range(len(events) - 1))
        assert events[-1]["status"] == "succeeded"
    await _alone(process, stem)
    assert process.num_threads() <= threads_before + 40  # anyio's pool, which belongs to the application
    assert (await client.get("/ping")).json() == {"status": "ok"}


async def test_killing_the_service_leaves_no_process_and_the_run_goes_on_in_its_next_life(
    tmp_path: Path,
) -> None:
    home = tmp_path / "store"
    with served(home) as (url, process):
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            run = await _start(client, "primes", below=1000, pieces=4, pause=0.5)
            for _ in range(200):
                if len(process.children(recursive=True)) > 2:
                    break
                await asyncio.sleep(0.02)
        below = process.children(recursive=True)
        process.kill()
        process.wait()
        assert psutil.wait_procs(below, timeout=10)[1] == []
    with served(home) as (url, _):
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            again = (await client.post(f"/runs/{run}/resume")).json()["run"]
            assert again == run
            assert (await client.get(f"/runs/{run}/result")).json()["primes"] == 168
