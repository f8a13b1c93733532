"""How an application feels while an engine in it works. `python -m benchmarks.service_load`

Twenty runs at once, 2,000 tasks in all, fifty clients on their events (a fifth of them slow), and beside it a client
that asks for an answer every few milliseconds. Reported: the latency of those answers, and of the same without load.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

__all__ = ["main"]

_ROOT = Path(__file__).parents[1]
_RUNS, _TASKS_OF_A_RUN, _CLIENTS = 20, 100, 50
_PAUSE_S = 0.005


async def _follow(client: httpx.AsyncClient, run: int, pause_s: float) -> int:
    count = 0
    async with client.stream("GET", f"/runs/{run}/events", timeout=None) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                count += 1
                if pause_s:
                    await asyncio.sleep(pause_s)
    return count


async def _probe(client: httpx.AsyncClient, until: asyncio.Event) -> list[float]:
    latencies: list[float] = []
    while not until.is_set():
        begin = time.perf_counter()
        await client.get("/ping")
        latencies.append(time.perf_counter() - begin)
        await asyncio.sleep(_PAUSE_S)
    return latencies


async def _quiet(url: str) -> list[float]:
    async with httpx.AsyncClient(base_url=url, timeout=60) as prober:
        done = asyncio.Event()
        asyncio.get_running_loop().call_later(2.0, done.set)
        return await _probe(prober, done)


async def _loaded(url: str) -> tuple[list[float], float, int]:
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=url, timeout=None, limits=limits) as client:
        begin = time.perf_counter()
        params = {"below": 10_000, "pieces": _TASKS_OF_A_RUN - 3}
        answers = [
            await client.post("/runs", json={"flow": "primes", "params": params}) for _ in range(_RUNS)
        ]
        runs = [answer.json()["run"] for answer in answers]
        async with asyncio.TaskGroup() as group:
            followers = [
                group.create_task(_follow(client, runs[at % _RUNS], 0.05 if at % 5 == 0 else 0.0))
                for at in range(_CLIENTS)
            ]
            done = asyncio.Event()
            prober = group.create_task(_probe_alone(url, done))
            for run in runs:
                answer = await client.get(f"/runs/{run}/result")
                assert answer.json()["primes"] == 1229, answer.text
            took_s = time.perf_counter() - begin
            done.set()
    return prober.result(), took_s, sum(follower.result() for follower in followers)


async def _probe_alone(url: str, done: asyncio.Event) -> list[float]:
    async with httpx.AsyncClient(base_url=url, timeout=60) as prober:
        return await _probe(prober, done)


def _told(name: str, latencies: list[float]) -> str:
    cuts = statistics.quantiles(latencies, n=100)
    return (
        f"{name}: {len(latencies):,} answers, p50 {cuts[49] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms, "
        f"longest {max(latencies) * 1e3:.1f} ms"
    )


def main() -> None:
    """Start the service, load it, and print the figures."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as home:
        command = [
            *(sys.executable, "-m", "uvicorn", "app:app", "--app-dir", str(_ROOT / "examples" / "service")),
            *("--port", str(port), "--timeout-graceful-shutdown", "3", "--log-level", "warning"),
        ]
        process = subprocess.Popen(command, env={**os.environ, "ASYNCFLOW_HOME": home})
        try:
            while True:
                try:
                    httpx.get(f"{url}/ping")
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            quiet = asyncio.run(_quiet(url))
            loaded, took_s, events = asyncio.run(_loaded(url))
        finally:
            process.terminate()
            process.wait()
    lines = [
        _told("without load", quiet),
        _told("under load", loaded),
        f"{_RUNS} runs, {_RUNS * _TASKS_OF_A_RUN:,} tasks in {took_s:.1f} s; {events:,} events to {_CLIENTS} clients",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
