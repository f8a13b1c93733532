"""A small result goes with the platform's own word of how its job ended, so that nobody asks the store for it.

Some platforms take a text from a job and tell it with the job's end: Kubernetes a termination message of at most 4096
bytes (https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/). Such a platform names
the file in the job's environment. The store has every result all the same: what is too long, cut short or of an
earlier driver is read there.

Most of a result is what its task has inherited, which the driver has: it is deflated with the manifest that the task
started from as the dictionary (RFC 1950).

A result may hold small artifacts, and who may look at jobs need not be one who may read the store. So it is sealed
with a key that is in the orders, hence in the store, and in the driver's memory: masked with SHAKE-256 of the key and
a number used once, and authenticated with keyed BLAKE2b (encrypt, then authenticate; RFC 7693, FIPS 202).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import zlib
from collections.abc import Mapping

from asyncflow.machine.ids import ManifestKey
from asyncflow.store.left import Left, decode_left
from asyncflow.worker.spec import RunSpec, TaskSpec

__all__ = ["RESULT_FILE_VARIABLE", "base_of", "fresh_seal", "hand_over", "handed_over", "is_handed_over"]

RESULT_FILE_VARIABLE = "ASYNCFLOW_RESULT_FILE"
"""Names the file whose text the platform tells with the end of the job. The platform has made it."""
_MARK = "asyncflow-result:"
_MOST_BYTES = 4096
_LONGEST_BYTES = 256 << 10
"""Of what a text unfolds to."""
_KEY_BYTES, _NONCE_BYTES, _TAG_BYTES = 32, 16, 16


def fresh_seal() -> bytes:
    """Return a new key for results of one driver."""
    return os.urandom(_KEY_BYTES)


def base_of(run: RunSpec, task: TaskSpec) -> ManifestKey:
    """Return which manifest a result of a task is shortened by."""
    return task.inputs[0] if task.inputs else run.parameters


def hand_over(data: bytes, seal: bytes, base: bytes, environment: Mapping[str, str]) -> None:
    """Give a result to the platform, if it takes any and this is short enough; else do nothing.

    Args:
        data: Of `encode_left`. It lies in the store already.
        seal: From the orders. Empty: nothing is given.
        base: The manifest of `base_of`.
        environment: The worker's.
    """
    path = environment.get(RESULT_FILE_VARIABLE)
    if not path or not seal or len(data) > _LONGEST_BYTES:
        return
    text = _MARK.encode() + base64.b64encode(_sealed(_deflated(data, base), seal))
    if len(text) <= _MOST_BYTES:
        _write_if_empty(path, text)


def is_handed_over(text: str) -> bool:
    """Tell whether a platform's text is for the driver, be it whole or not, and not for people."""
    return text.startswith(_MARK)


def handed_over(text: str, seal: bytes, base: bytes) -> Left | None:
    """Read a result that a platform carried. None: it is none, not whole, or not made with this key and manifest."""
    if not is_handed_over(text):
        return None
    try:
        data = _unsealed(base64.b64decode(text[len(_MARK) :], validate=True), seal)
        return decode_left(zlib.decompressobj(zdict=base).decompress(data, _LONGEST_BYTES))
    except (ValueError, zlib.error):
        return None


def _deflated(data: bytes, base: bytes) -> bytes:
    deflating = zlib.compressobj(zdict=base)
    return deflating.compress(data) + deflating.flush()


def _write_if_empty(path: str, text: bytes) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            if os.fstat(fd).st_size == 0:  # else it is the step's own message
                os.write(fd, text)
        finally:
            os.close(fd)
    except OSError:
        return  # the store has it


def _sealed(data: bytes, seal: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    body = _masked(data, seal, nonce)
    return nonce + _tag(nonce + body, seal) + body


def _unsealed(sealed: bytes, seal: bytes) -> bytes:
    """Raise ValueError if it was not sealed with this key."""
    nonce, tag = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES : _NONCE_BYTES + _TAG_BYTES]
    body = sealed[_NONCE_BYTES + _TAG_BYTES :]
    if not hmac.compare_digest(tag, _tag(nonce + body, seal)):
        raise ValueError("it was not sealed with this key")
    return _masked(body, seal, nonce)


def _masked(data: bytes, seal: bytes, nonce: bytes) -> bytes:
    mask = hashlib.shake_256(b"asyncflow result mask" + seal + nonce).digest(len(data))
    return (int.from_bytes(data) ^ int.from_bytes(mask)).to_bytes(len(data))


def _tag(data: bytes, seal: bytes) -> bytes:
    return hashlib.blake2b(data, key=seal, digest_size=_TAG_BYTES, person=b"asyncflow result").digest()
