"""An `async def` step in a process of its own (`@step(isolation="process")`)."""

from __future__ import annotations

from types import CoroutineType
from typing import Any

import anyio

__all__ = ["run_coroutine"]


def run_coroutine(coroutine: CoroutineType[Any, Any, Any]) -> None:  # Any: a step returns nothing of use
    """Run a step's coroutine to its end, in an event loop made for it. Raises what it raises."""

    async def main() -> None:
        await coroutine

    anyio.run(main)
