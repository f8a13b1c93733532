"""The processes that a test has started, without the services that serve a whole session of tests."""

from __future__ import annotations

import psutil

__all__ = ["children"]

_SERVICES = ("moto.server", "tests.services")


def children(*, recursive: bool = False) -> list[psutil.Process]:
    """Return this process's children that are no service of the test session."""
    found = psutil.Process().children(recursive=recursive)
    return [process for process in found if not _is_service(process)]


def _is_service(process: psutil.Process) -> bool:
    try:
        return any(word.startswith(_SERVICES) for word in process.cmdline())
    except psutil.Error:
        return False  # it has just ended
