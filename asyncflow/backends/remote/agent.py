"""What runs in a container: takes its orders from the run's store, runs one attempt, leaves the result there.

The attempt runs as it does on the scheduler's machine: a zygote that has the flow imported, a fork of it, the local
backend. So streams, timeouts, async steps and clean-up are the same. What comes on top is the way to the store: the
log is sent while it grows, then the blobs, and last the result. SIGTERM is passed on to the step, which has its grace
time; the result then says that it was terminated.

A result is written once. Who finds that another worker has claimed the attempt ends without a word.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

import anyio
from anyio.abc import TaskStatus

from asyncflow.backends.local.reload import load_again
from asyncflow.backends.local.zygote import Zygote, fork_zygote
from asyncflow.backends.remote.agent_cards import CardSender
from asyncflow.backends.remote.agent_log import LogSender
from asyncflow.backends.remote.conclusions import IMPORT, KILLED, TERMINATED
from asyncflow.backends.remote.gang_end import others_of, wait_for_results
from asyncflow.backends.remote.handover import base_of, hand_over
from asyncflow.backends.remote.memory import oom_kills
from asyncflow.backends.remote.platform import ARRAY_VARIABLE, INDEX_VARIABLE
from asyncflow.backends.remote.scratch import Scratch, open_scratch, split_spec_url
from asyncflow.backends.remote.specs import Orders, read_orders
from asyncflow.errors import AsyncflowError, PlatformError, StoreError, UserError
from asyncflow.flow.given_configs import hand_down
from asyncflow.flow.parse import parse_flow
from asyncflow.machine.facts import WorkerLost, WorkerReported
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import OUT_OF_MEMORY, Succeeded
from asyncflow.records import replace
from asyncflow.store.layout import temporary_directory
from asyncflow.store.left import Left, encode_left
from asyncflow.store.logfile import STDERR, stamp
from asyncflow.store.s3.keys import claim_key, result_key
from asyncflow.worker.attempt import has_cards

if TYPE_CHECKING:
    from asyncflow.backends.local.backend import LocalBackend

__all__ = ["CLAIMED", "GRACE_VARIABLE", "RUNNER_VARIABLE", "main"]

CLAIMED = 77
"""Exit code of a worker whose attempt another worker runs."""
GRACE_VARIABLE = "ASYNCFLOW_GRACE_S"
"""How long a step may go on after SIGTERM, seconds; the platform kills everything a little later."""
RUNNER_VARIABLE = "ASYNCFLOW_WORKER_ID"
"""What the platform calls this worker, if it tells."""
_GRACE_S = 25.0
_TERMINATED_CODE = 128 + signal.SIGTERM
"""Exit code of a worker that was asked to end and whose attempt did not go well: platforms know it by that."""
_IDS = (RUNNER_VARIABLE, "METAFLOW_KUBERNETES_POD_NAME", "AWS_BATCH_JOB_ID", "SLURM_JOB_ID")


class _Ended(NamedTuple):
    """How the attempt ended, as far as this process has seen."""

    is_ok: bool
    problem: str = ""
    reason: str = ""


def main(arguments: list[str]) -> int:
    """Run the attempt that the address tells of; return the exit code.

    Args:
        arguments: The address of a spec object.
    """
    try:
        if len(arguments) != 1:
            raise UserError("A worker takes one argument, the address of what it is to do")
        store_url, key = split_spec_url(arguments[0])
        scratch = open_scratch(store_url)
    except AsyncflowError as error:
        _tell(error)
        return int(error.exit_code)
    try:
        return _work(scratch, key)
    except AsyncflowError as error:
        _tell(error)
        return int(error.exit_code)
    finally:
        scratch.remove()


def _tell(error: AsyncflowError) -> None:
    """Tell an error in the container's own output, which platforms keep."""
    os.write(2, f"asyncflow: {error}\n".encode(errors="backslashreplace"))


def _work(scratch: Scratch, key: str) -> int:
    clock = _Clock()
    index = _index()

    def read(offset: int, length: int) -> bytes:
        return clock.read(scratch, key, offset, length)

    orders, others = read_orders(read, index), others_of(read, index)
    run, task = orders.run.run, orders.task
    claim = _identity()
    if not scratch.objects.put_new(claim_key(run, *task.attempt), json.dumps(claim).encode()):
        raise _Claimed(f"Attempt {task.attempt.number} of task {task.attempt.task} is run by another worker")
    scratch.receive(orders.manifests)
    sender = LogSender(scratch, run, task.attempt, server_ahead_s=clock.ahead_s)
    try:
        flow_class = _load(orders)
    except AsyncflowError as error:
        _tell(error)
        left = _left(scratch, orders, sender, _Ended(False, str(error), IMPORT), claim)
        scratch.objects.put_new(result_key(run, *task.attempt), left)
        return 1
    spec = replace(orders.run, store_root=scratch.root, flow_file=_flow_file(orders))
    task = replace(task, is_async=parse_flow(flow_class).steps[task.step].is_async)
    cards = CardSender(scratch, run, task.attempt) if has_cards(flow_class) else None
    zygote = fork_zygote(flow_class, scratch=temporary_directory(scratch.root))
    attempt = _Attempt(scratch, Orders(spec, task, orders.luggage, {}), zygote, sender, cards)
    ended = anyio.run(attempt.run)
    left = _left(scratch, orders, sender, ended, claim)
    is_left = scratch.objects.put_new(result_key(run, *task.attempt), left)
    if is_left and ended.is_ok:  # of a failure the platform shows people the end of the log in that place
        base = orders.manifests[base_of(orders.run, orders.task)]
        hand_over(left, orders.luggage.seal, base, os.environ)
    if cards is not None:
        cards.remove()
    if ended.is_ok:
        wait_for_results(scratch.objects, run, others)
    return 0 if ended.is_ok else _TERMINATED_CODE if ended.reason == TERMINATED else 1


class _Claimed(PlatformError):
    """Another worker runs the attempt."""

    headline = "Somebody else's attempt"
    exit_code = CLAIMED  # pyright: ignore[reportAssignmentType] - of this process, not of the command line


class _Attempt:
    """The attempt while it runs."""

    def __init__(
        self,
        scratch: Scratch,
        orders: Orders,
        zygote: Zygote,
        sender: LogSender,
        cards: CardSender | None,
    ) -> None:
        self._scratch = scratch
        self._orders = orders
        self._zygote = zygote
        self._sender = sender
        self._cards = cards
        self._is_terminated = False

    async def run(self) -> _Ended:
        """Run it to its end, whatever that is."""
        from asyncflow.backends.local.backend import LocalBackend  # asyncio, which the zygote does without

        attempt = self._orders.task.attempt
        backend = LocalBackend(self._zygote, self._orders.run, _Echo())
        before, ended = oom_kills(), _Ended(False)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._sender.keep)
                if self._cards is not None:
                    group.start_soon(self._cards.keep)
                await group.start(self._heed_signals, backend)
                await backend.launch(self._orders.task)
                ended = await self._end_of(backend, attempt)
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await backend.aclose()
        if ended.reason == KILLED and oom_kills() > before:
            return ended._replace(reason=OUT_OF_MEMORY)
        return ended

    async def _end_of(self, backend: LocalBackend, attempt: Attempt) -> _Ended:
        async with aclosing(backend.facts()) as stream:
            async for facts in stream:
                for fact in facts:
                    if isinstance(fact, WorkerReported) and fact.attempt == attempt:
                        reason = TERMINATED if self._is_terminated else ""
                        return _Ended(isinstance(fact.outcome, Succeeded), reason=reason)
                    if isinstance(fact, WorkerLost) and fact.attempt == attempt:
                        return _Ended(False, fact.reason, TERMINATED if self._is_terminated else KILLED)
        return _Ended(False, "the worker was closed", KILLED)

    async def _heed_signals(self, backend: LocalBackend, *, task_status: TaskStatus[None]) -> None:
        attempt = self._orders.task.attempt
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:
            task_status.started()
            async for _ in received:
                self._is_terminated = True
                await backend.stop(attempt, force=False)
                break
        await anyio.sleep(_grace_s())
        await backend.stop(attempt, force=True)


class _Echo:
    """Shows what the task prints in the container's own output."""

    def lines(self, attempt: Attempt, stream: str, text: bytes) -> None:
        """Write through. A reader that is slow makes the task wait."""
        fd = 2 if stream == STDERR else 1
        while text:
            try:
                text = text[os.write(fd, text) :]
            except OSError:
                return  # nobody reads the container's output; the log has it

    async def wait_ready(self) -> None:
        """Be ready."""


class _Clock:
    """Reads an object, and sees by how much the store's clock is ahead of ours."""

    ahead_s = 0.0

    def read(self, scratch: Scratch, key: str, offset: int, length: int) -> bytes:
        received = scratch.objects.get(key, offset=offset, length=length)
        if received is None:
            raise StoreError(f"What this worker is to do is not there: {scratch.objects.url}/{key}")
        if received.info.server_at:
            self.ahead_s = received.info.server_at - time.time()
        return received.data


def _index() -> int:
    """Return which of the attempts in the spec object is this worker's. Raises UserError."""
    array = os.environ.get(ARRAY_VARIABLE)
    names = [INDEX_VARIABLE, *([array] if array else [])]
    try:
        return sum(int(os.environ.get(name) or 0) for name in names)
    except ValueError:
        raise UserError(f"{' and '.join(names)} do not say which attempt this worker is to run") from None


def _load(orders: Orders) -> type:
    """Import the flow. Raises FlowLoadError."""
    file = _flow_file(orders)
    hand_down(file, orders.luggage.configs)
    from asyncflow.compat.finder import install

    install()  # this process is for one task only; its steps may import metaflow, too
    sys.argv[:] = [file]
    return load_again(file, orders.run.flow, orders.luggage.attached)


def _flow_file(orders: Orders) -> str:
    return os.path.abspath(orders.luggage.flow_file)


def _left(
    scratch: Scratch, orders: Orders, sender: LogSender, ended: _Ended, claim: Mapping[str, str]
) -> bytes:
    """Send everything but the result, and return that. Raises StoreError."""
    run, attempt = orders.run.run, orders.task.attempt
    manifest = scratch.store.manifest_bytes(run, *attempt) or b""
    if manifest:
        scratch.send_blobs(manifest)
    log = sender.rest()
    if ended.problem:
        log += stamp(f"{ended.problem}\n".encode(errors="backslashreplace"), time.time(), STDERR)
    return encode_left(
        Left(
            manifest=manifest,
            log=log,
            stamps=tuple(sender.stamps),
            problem=ended.problem,
            reason=ended.reason,
            metadata={name: value for name, value in claim.items() if value and name != "mark"},
        )
    )


def _identity() -> dict[str, str]:
    """Say who this worker is; unique, so that a claim whose answer was lost is known as one's own."""
    told = next((os.environ[name] for name in _IDS if os.environ.get(name)), "")
    return {
        "worker": told,
        "host": socket.gethostname(),
        "pid": str(os.getpid()),
        "mark": os.urandom(8).hex(),
    }


def _grace_s() -> float:
    try:
        return float(os.environ.get(GRACE_VARIABLE) or _GRACE_S)
    except ValueError:
        return _GRACE_S
