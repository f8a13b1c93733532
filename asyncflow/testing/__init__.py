"""For tests of flows: one step, or a whole flow, in the process of the test. And stand-ins for tests of backends.

    from asyncflow.testing import run_flow, run_step

steps       run_step: one step with given artifacts
flows       run_flow: a whole flow, driven by the real machine
plugin      the fixture `asyncflow_store`, which pytest finds by itself
backend, clock, log    stand-ins that keep the contracts of the real things
"""

from __future__ import annotations

TYPE_CHECKING = False  # known to type checkers by its name
if TYPE_CHECKING:
    from asyncflow.testing.backend import FakeBackend, Script, Scripted
    from asyncflow.testing.clock import FakeClock
    from asyncflow.testing.flows import FlowFailed, FlowResult, run_flow, run_flow_sync
    from asyncflow.testing.log import MemoryLog
    from asyncflow.testing.results import StepResult
    from asyncflow.testing.steps import run_step, run_step_sync

__all__ = [
    "FakeBackend",
    "FakeClock",
    "FlowFailed",
    "FlowResult",
    "MemoryLog",
    "Script",
    "Scripted",
    "StepResult",
    "run_flow",
    "run_flow_sync",
    "run_step",
    "run_step_sync",
]

_HOMES = {
    "FakeBackend": "backend",
    "FakeClock": "clock",
    "FlowFailed": "flows",
    "FlowResult": "flows",
    "MemoryLog": "log",
    "Script": "backend",
    "Scripted": "backend",
    "StepResult": "results",
    "run_flow": "flows",
    "run_flow_sync": "flows",
    "run_step": "steps",
    "run_step_sync": "steps",
}
"""Where each name lives. pytest imports this package in every project that has asyncflow installed: it stays light."""


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'asyncflow.testing' has no attribute '{name}'")
    from importlib import import_module

    value = getattr(import_module(f"asyncflow.testing.{home}"), name)
    globals()[name] = value
    return value
