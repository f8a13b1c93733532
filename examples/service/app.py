"""A web service that runs flows: start one, follow it live, read what it found, stop it, go on with it.

    uvicorn app:app --app-dir examples/service --timeout-graceful-shutdown 3

Then open http://127.0.0.1:8000 in a browser, or see README.md for the same with curl.
"""

import json
import os
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import BaseModel

from asyncflow import AsyncflowError, Engine, RunHandle, UserError

HERE = Path(__file__).parent
FLOWS = {"letters": HERE / "letters.py", "primes": HERE / "primes.py"}
KEPT = 1000
"""Runs that the service remembers after they have ended; all of them stay in the store."""


class Start(BaseModel):
    """What `POST /runs` takes."""

    flow: str
    params: dict[str, Any] = {}
    tags: list[str] = []


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    home = os.environ.get("ASYNCFLOW_HOME", ".asyncflow")
    workers = int(os.environ.get("MAX_WORKERS", "4"))
    async with Engine(home, max_workers=workers, stop_grace_s=3) as engine:
        app.state.engine = engine
        app.state.runs = OrderedDict()
        yield


app = FastAPI(title="Flows as a service", lifespan=lifespan)


def remember(request: Request, run: RunHandle) -> dict[str, Any]:
    runs = request.app.state.runs
    runs[run.id] = run
    while len(runs) > KEPT and next(iter(runs.values())).is_over:
        runs.popitem(last=False)
    return describe(run)


def describe(run: RunHandle) -> dict[str, Any]:
    status = "interrupted" if run.is_over and run.status is None else run.status or "running"
    return {"run": run.id, "flow": run.flow, "status": status}


def known(request: Request, run: int) -> RunHandle:
    try:
        return request.app.state.runs[run]
    except KeyError:
        raise HTTPException(404, f"There is no run {run} here") from None


@app.get("/", response_class=HTMLResponse)
async def page() -> str:
    return (HERE / "page.html").read_text()


@app.get("/ping")
async def ping() -> dict[str, str]:
    """Answers at once, however many tasks run."""
    return {"status": "ok"}


@app.post("/runs", status_code=201)
async def start(request: Request, what: Start) -> dict[str, Any]:
    if what.flow not in FLOWS:
        raise HTTPException(422, f"There is no flow {what.flow}; there are {', '.join(FLOWS)}")
    try:
        run = await request.app.state.engine.start(FLOWS[what.flow], what.params, tags=what.tags)
    except UserError as error:
        raise HTTPException(422, str(error)) from error
    return remember(request, run)


@app.get("/runs")
async def runs(request: Request) -> list[dict[str, Any]]:
    return [describe(run) for run in reversed(request.app.state.runs.values())]


@app.get("/runs/{run}")
async def show(request: Request, run: int) -> dict[str, Any]:
    return describe(known(request, run))


@app.get("/runs/{run}/events")
async def events(request: Request, run: int) -> StreamingResponse:
    """Every event of the run as server-sent events, from the first, or from where the client was interrupted."""
    handle = known(request, run)
    last = request.headers.get("last-event-id", "")
    after = int(last) + 1 if last.isdigit() else 0

    async def stream() -> AsyncIterator[str]:
        async for event in handle.events(after=after):
            data = json.dumps(event.to_dict(), default=str)
            yield f"id: {event.seq}\nevent: {event.kind}\ndata: {data}\n\n"
        yield f"event: end\ndata: {json.dumps(describe(handle))}\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")


@app.get("/runs/{run}/result")
async def result(request: Request, run: int) -> dict[str, Any]:
    """Wait for the run to end; what its last step has left."""
    try:
        found = await known(request, run).result()
    except AsyncflowError as error:
        raise HTTPException(409, str(error)) from error
    return {name: found[name] for name in found if isinstance(found[name], str | int | float | list | dict)}


@app.delete("/runs/{run}")
async def cancel(request: Request, run: int) -> dict[str, Any]:
    handle = known(request, run)
    await handle.cancel()
    return describe(handle)


@app.post("/runs/{run}/resume", status_code=201)
async def resume(request: Request, run: int) -> dict[str, Any]:
    """Go on with a failed, cancelled or interrupted run, also one of an earlier life of this service."""
    try:
        return remember(request, await request.app.state.engine.resume(run))
    except AsyncflowError as error:
        raise HTTPException(409, str(error)) from error
