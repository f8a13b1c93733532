"""Attempts as processes of this machine.

The flow is imported once; a process forked early, the zygote, forks a fresh process for every attempt. The scheduler
talks to the zygote over one socket and never waits for it. No attempt outlives the scheduler, whatever kills it.
"""

from __future__ import annotations

import sys

from asyncflow.errors import UserError

if sys.platform == "win32":
    raise UserError("asyncflow runs flows on Linux and macOS; on Windows run it inside WSL (`wsl --install`).")

from asyncflow.backends.local.backend import LocalBackend
from asyncflow.backends.local.capacity import default_isolation
from asyncflow.backends.local.orphans import sweep_orphans
from asyncflow.backends.local.zygote import Zygote, exec_zygote, fork_zygote

__all__ = [
    "LocalBackend",
    "Zygote",
    "default_isolation",
    "exec_zygote",
    "fork_zygote",
    "sweep_orphans",
]
