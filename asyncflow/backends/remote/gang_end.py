"""The end of a gang whose members are one job that ends with its first: that one waits until the others have ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence

import anyio
import anyio.to_thread

from asyncflow.backends.remote.platform import GANG_SIZE_VARIABLE, INDEX_VARIABLE
from asyncflow.backends.remote.scratch import AnyObjects
from asyncflow.backends.remote.specs import read_orders
from asyncflow.machine.ids import Attempt
from asyncflow.store.s3.keys import result_key

__all__ = ["others_of", "wait_for_results"]

_FIRST_S, _LONGEST_S = 0.5, 5.0


def others_of(read: Callable[[int, int], bytes], index: int) -> list[Attempt]:
    """Return the attempts for which a worker is to wait: the gang's others, if it is the first of such a gang.

    Args:
        read: Returns bytes of the spec object, see `read_orders`.
        index: Which of its attempts is the worker's own.

    Raises:
        StoreError: The spec object cannot be read.
    """
    size = os.environ.get(GANG_SIZE_VARIABLE, "")
    if not size.isdigit() or index != int(os.environ.get(INDEX_VARIABLE) or 0):
        return []
    return [read_orders(read, other).task.attempt for other in range(index + 1, index + int(size))]


def wait_for_results(objects: AnyObjects, run: int, attempts: Sequence[Attempt]) -> None:
    """Wait until attempts have left their results, or until SIGTERM: who drives the run ends a gang that has failed.

    Raises StoreError.
    """
    if attempts:
        anyio.run(_wait, objects, run, attempts)


async def _wait(objects: AnyObjects, run: int, attempts: Sequence[Attempt]) -> None:
    async with anyio.create_task_group() as group:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:

            async def heed() -> None:
                async for _ in received:
                    group.cancel_scope.cancel()

            group.start_soon(heed)
            pause_s = _FIRST_S
            for attempt in attempts:
                while await anyio.to_thread.run_sync(objects.head, result_key(run, *attempt)) is None:
                    await anyio.sleep(pause_s)
                    pause_s = min(_LONGEST_S, pause_s * 1.3)
            group.cancel_scope.cancel()
