"""The processes that a test has started, without the services that serve a whole session of tests."""

from __future__ import annotations

import psutil

__all__ = ["children"]

_SERVICES = ("moto.server", "tests.services")


def children(*, recursive: bool = False) -> list[psutil.Process]:
    """Return this process's children that are no service of the test session."""
    found = [process for process in psutil.Process().children() if not _is_service(process)]
    below = [one for process in found for one in _below(process)] if recursive else []
    return found + below


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _is_service(process: psutil.Process) -> bool:
    try:
        return any(word.startswith(_SERVICES) for word in process.cmdline())
    except psutil.Error:
        return False  # it has just ended
