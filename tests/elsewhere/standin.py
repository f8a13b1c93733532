"""Stands in for the worker in pods that are no processes: it claims, waits at a gate, and leaves a result.

The server calls `work` with each pod (`--mode noop --noop-call tests.elsewhere.standin:work`). It goes through our own
reading of orders and writing of results, so what the scheduler finds in the store is what a worker leaves; only the
step's code is never run. A test holds pods back with a `Gate`.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from asyncflow.backends.remote.agent import CLAIMED
from asyncflow.backends.remote.handover import base_of, hand_over
from asyncflow.backends.remote.platform import INDEX_VARIABLE
from asyncflow.backends.remote.scratch import split_spec_url
from asyncflow.backends.remote.specs import Orders, read_orders
from asyncflow.store.left import Left, encode_left
from asyncflow.store.manifest import Manifest
from asyncflow.store.manifests import decode_manifest, encode_manifest
from asyncflow.store.s3.address import parse_url
from asyncflow.store.s3.blocking import BlockingObjects
from asyncflow.store.s3.keys import claim_key, result_key
from asyncflow.worker.frames import frames_below

GATES = "STANDIN_GATES"
"""Names the folder of the gates, one file for each namespace."""
_LOOK_S = 0.1


class Gate:
    """Lets the first so many siblings of a namespace through.

    Args:
        folder: Of the gates.
        namespace: Where the pods are.
    """

    def __init__(self, folder: Path, namespace: str) -> None:
        self._file = folder / namespace

    def admit(self, siblings: int) -> None:
        """Let those through whose index is below `siblings`."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(siblings))
        fresh.rename(self._file)

    def leave_in_store(self) -> None:
        """Let no result be handed over: each is in the store only, as one is that is too long."""
        self._file.with_suffix(".store").touch()

    @property
    def is_left_in_store(self) -> bool:
        """Whether results are in the store only."""
        return self._file.with_suffix(".store").exists()

    @property
    def admitted(self) -> int | None:
        """How many are let through. None: all, there is no gate."""
        try:
            return int(self._file.read_text())
        except FileNotFoundError:
            return None


async def work(pod: Mapping[str, Any], environment: Mapping[str, str]) -> int:
    """Do what the worker of a pod does; return its exit code."""
    store, key = split_spec_url(pod["spec"]["containers"][0]["command"][-1])
    objects = _objects(store)
    index = int(environment.get(INDEX_VARIABLE) or 0)
    orders = await asyncio.to_thread(_read, objects, key, index)
    attempt = orders.task.attempt
    claim = json.dumps({"worker": pod["metadata"]["name"], "mark": os.urandom(8).hex()}).encode()
    if not await asyncio.to_thread(objects.put_new, claim_key(orders.run.run, *attempt), claim):
        return CLAIMED
    gate = Gate(Path(os.environ[GATES]), pod["metadata"]["namespace"])
    while (admitted := gate.admitted) is not None and (orders.task.index or 0) >= admitted:  # noqa: ASYNC110 - a test opens it from another process
        await asyncio.sleep(_LOOK_S)
    left = encode_left(Left(manifest=encode_manifest(_manifest(orders))))
    is_new = await asyncio.to_thread(objects.put_new, result_key(orders.run.run, *attempt), left)
    if is_new and not gate.is_left_in_store:
        base = orders.manifests[base_of(orders.run, orders.task)]
        hand_over(left, orders.luggage.seal, base, environment)
    return 0


@cache
def _objects(store: str) -> BlockingObjects:
    return BlockingObjects(parse_url(store))


def _read(objects: BlockingObjects, key: str, index: int) -> Orders:
    def read(offset: int, length: int) -> bytes:
        received = objects.get(key, offset=offset, length=length)
        assert received is not None, f"there are no orders at {key}"
        return received.data

    return read_orders(read, index)


def _manifest(orders: Orders) -> Manifest:
    """Return what a step leaves that does nothing but go on to `join`."""
    task, now = orders.task, time.time()
    parent = decode_manifest(orders.manifests[task.inputs[0]])
    return Manifest(
        flow=orders.run.flow,
        run=task.run,
        step=task.step,
        task=task.attempt.task,
        attempt=task.attempt.number,
        is_ok=True,
        artifacts={name: record._replace(is_new=False) for name, record in parent.artifacts.items()},
        frames=frames_below(parent, task.index, task.width),
        next=("join",),
        started_at=now,
        ended_at=now,
    )
