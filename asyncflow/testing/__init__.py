"""Stand-ins that keep the contracts of the real things, for our own tests and for others' backends."""

from __future__ import annotations

from asyncflow.testing.backend import FakeBackend, Script, Scripted
from asyncflow.testing.clock import FakeClock
from asyncflow.testing.log import MemoryLog

__all__ = ["FakeBackend", "FakeClock", "MemoryLog", "Script", "Scripted"]
