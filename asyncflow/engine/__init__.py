"""Runs inside another asyncio program: a web service, a notebook, a test. Many at a time, one log, shared slots."""

from __future__ import annotations

from asyncflow.engine.embedded import Engine
from asyncflow.engine.events import LogText, RunEvent
from asyncflow.engine.handle import RunHandle
from asyncflow.engine.planning import EngineError
from asyncflow.engine.result import FinalArtifacts, RunCancelled, RunFailed, RunStopped

__all__ = [
    "Engine",
    "EngineError",
    "FinalArtifacts",
    "LogText",
    "RunCancelled",
    "RunEvent",
    "RunFailed",
    "RunHandle",
    "RunStopped",
]
