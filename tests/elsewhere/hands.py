"""Hands in place of containers: a function that does what a worker does, for runs that are too wide for processes here.

It reads its orders, claims the attempt, runs the step of `flows/wide.py` and leaves the result, all in the run's store,
as `asyncflow.backends.remote.agent` does; only the process is missing. A `Folder` says how many may end, and counts.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from asyncflow.backends.remote.platform import ARRAY_VARIABLE, INDEX_VARIABLE
from asyncflow.backends.remote.scratch import Scratch, open_scratch, split_spec_url
from asyncflow.backends.remote.specs import Orders, read_orders
from asyncflow.records import replace
from asyncflow.store.left import Left, encode_left
from asyncflow.store.s3.keys import claim_key, result_key
from asyncflow.worker.attempt import run_attempt
from tests.services.batch.runners import Call, remove_at_end

RUNS = "function:tests.elsewhere.hands:work"
_CLAIMED = 77
_lock = threading.Lock()
_begun: dict[str, int] = {}


class Folder:
    """Where hands and a test meet.

    Args:
        path: A directory, made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(exist_ok=True)

    def allow(self, count: int) -> None:
        """Let so many jobs end, in the order in which they began."""
        (self.path / "new").write_text(str(count))
        (self.path / "new").replace(self.path / "allowed")

    def ran(self) -> list[str]:
        """Return the attempts that were run, `task.attempt`, once for each time."""
        path = self.path / "ran"
        return path.read_text().split() if path.exists() else []

    def wait_allowed(self, rank: int) -> None:
        """Wait until the job of that rank may end."""
        while int((self.path / "allowed").read_text()) <= rank:
            time.sleep(0.05)

    def note(self, attempt: str) -> None:
        """Note that an attempt is run."""
        with (self.path / "ran").open("a") as ran:
            ran.write(f"{attempt}\n")


def work(call: Call) -> int:
    """Run one attempt; return the exit code."""
    store_url, key = split_spec_url(_spec_url(call))
    with _alone(call):
        scratch = _scratch(store_url)
    index = int(call.environment.get(INDEX_VARIABLE, "0"))
    index += int(call.environment.get(call.environment.get(ARRAY_VARIABLE, ""), "0"))
    orders = _orders(scratch, key, index)
    run, task = orders.run.run, orders.task
    attempt = f"{task.attempt.task}.{task.attempt.number}"
    claim = {"worker": call.environment["AWS_BATCH_JOB_ID"], "mark": os.urandom(8).hex()}
    if not scratch.objects.put_new(claim_key(run, *task.attempt), json.dumps(claim).encode()):
        return _CLAIMED
    folder = Folder(Path(orders.run.environment[task.step]["FOLDER"]))
    folder.note(attempt)
    folder.wait_allowed(_rank(str(folder.path)))
    with _alone(call):
        manifest = _run(scratch, orders)
    scratch.send_blobs(manifest)
    left = Left(manifest=manifest, metadata={"worker": claim["worker"]})
    scratch.objects.put_new(result_key(run, *task.attempt), encode_left(left))
    return 0


def _spec_url(call: Call) -> str:
    found = re.search(r"\S+://\S+/specs/\w+", " ".join(call.command))
    assert found is not None, call.command
    return found[0]


def _run(scratch: Scratch, orders: Orders) -> bytes:
    from tests.elsewhere.flows.wide import Wide

    scratch.receive(orders.manifests)
    run_attempt(Wide, replace(orders.run, store_root=scratch.root), orders.task, scratch.store)
    manifest = scratch.store.manifest_bytes(orders.run.run, *orders.task.attempt)
    assert manifest is not None
    return manifest


def _rank(folder: str) -> int:
    with _lock:
        rank = _begun.get(folder, 0)
        _begun[folder] = rank + 1
        return rank


@cache
def _scratch(store_url: str) -> Scratch:
    """One for all attempts of a store: clients of S3 are dear."""
    scratch = open_scratch(store_url)
    remove_at_end(scratch.root)
    scratch.objects.head("owner")  # which makes the client
    return scratch


@contextmanager
def _alone(call: Call) -> Iterator[None]:
    """Have the process for oneself, with the container's way to the store in its environment."""
    given = {
        name: value for name, value in call.environment.items() if name.startswith(("AWS_", "ASYNCFLOW_S3"))
    }
    with _lock:
        before = dict(os.environ)
        os.environ.update(given)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _orders(scratch: Scratch, key: str, index: int) -> Orders:
    data = _spec(scratch, key)
    return read_orders(lambda offset, length: data[offset : offset + length], index)


@cache
def _spec(scratch: Scratch, key: str) -> bytes:
    received = scratch.objects.get(key)
    assert received is not None, f"{key} is not there"
    return received.data
