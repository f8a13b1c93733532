"""Attempts as processes of this machine.

The flow is imported once; a process forked early, the zygote, forks a fresh process for every attempt. The scheduler
talks to the zygote over one socket and never waits for it. No attempt outlives the scheduler, whatever kills it.

Names load lazily: what a zygote has in memory is copied for every attempt, so it must not load the scheduler's side.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from asyncflow.errors import UserError

if sys.platform == "win32":
    raise UserError(
        "asyncflow runs flows on Linux and macOS; on Windows run it inside WSL (`wsl --install`)."
    )

if TYPE_CHECKING:
    from asyncflow.backends.local.backend import LocalBackend
    from asyncflow.backends.local.capacity import default_isolation
    from asyncflow.backends.local.orphans import sweep_orphans
    from asyncflow.backends.local.stem import Stem, stem_key
    from asyncflow.backends.local.zygote import Zygote, exec_zygote, fork_zygote

__all__ = [
    "LocalBackend",
    "Stem",
    "Zygote",
    "default_isolation",
    "exec_zygote",
    "fork_zygote",
    "stem_key",
    "sweep_orphans",
]

_MODULES = {
    "LocalBackend": "backend",
    "Stem": "stem",
    "stem_key": "stem",
    "Zygote": "zygote",
    "default_isolation": "capacity",
    "exec_zygote": "zygote",
    "fork_zygote": "zygote",
    "sweep_orphans": "orphans",
}


def __getattr__(name: str) -> Any:  # Any: whatever the name stands for
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
