"""Requests to a bucket without an event loop: asked again until they are answered. What `blocking` is built on."""

from __future__ import annotations

import io
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from asyncflow.store.s3.address import S3Address, S3Settings
from asyncflow.store.s3.failures import Problem, RemoteStoreError, problem_of, told
from asyncflow.store.s3.library import blocking_client, client_errors
from asyncflow.store.s3.policy import Rate, Verdict, pause_s
from asyncflow.store.s3.requests import PARTS_AT_ONCE, SMALL_BYTES, Arguments, Requests

__all__ = ["Asking", "Refused", "Slice", "Streamed", "for_one_try"]

_R = TypeVar("_R")


class Asking:
    """A client of a bucket's server, its connections and the rate at which it is asked.

    Args:
        address: Bucket and prefix.
        settings: How the server is reached. None: as the environment says.
        threads: How many requests of `together` are under way at once.
        client: A botocore client to use in place of one of its own.
    """

    def __init__(
        self,
        address: S3Address,
        settings: S3Settings | None = None,
        *,
        threads: int = 16,
        client: Any = None,  # Any: made by botocore from its service description
    ) -> None:
        self._address = address
        self._settings = settings or S3Settings.from_environment()
        self._requests = Requests(address=address, settings=self._settings)
        self._rate = Rate()
        self._lock = threading.Lock()
        self._parts = threading.BoundedSemaphore(PARTS_AT_ONCE)
        self._threads = threads
        self._given = client is not None
        self._made: Any = client  # Any: made by botocore from its service description

    @property
    def url(self) -> str:
        """`s3://bucket/prefix`."""
        return self._address.url

    @property
    def server(self) -> str:
        """Who is asked, for messages."""
        return self._settings.endpoint_url or "AWS"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Safe to call twice; a later call opens new ones."""
        with self._lock:
            made = self._made
            if not self._given:
                self._made = None
        if made is not None and not self._given:
            made.close()

    def together(self, do: Callable[[Any], _R], items: Sequence[Any], *, most: int | None = None) -> list[_R]:
        """Call `do` for all items, several at once; return the results in order. Raises the first error."""
        if len(items) <= 1:
            return [do(item) for item in items]
        with ThreadPoolExecutor(min(most or self._threads, len(items)), "asyncflow-s3") as pool:
            futures = [pool.submit(do, item) for item in items]
            try:
                return [future.result() for future in futures]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    @property
    def _client(self) -> Any:  # Any: made by botocore from its service description
        made = self._made
        if made is None:
            with self._lock:
                made = self._made
                if made is None:
                    made = self._made = self._open()
        return made

    def _open(self) -> Any:  # Any: a botocore client
        try:
            return blocking_client(self._settings, max(32, self._threads))
        except (*client_errors(), ValueError) as error:
            raise self._told(problem_of(error), "", "opened") from error

    def _do(self, operation: str, arguments: Arguments, key: str, what: str) -> Any:  # Any: an answer
        try:
            return self._call(operation, arguments, key, what)
        except Refused as refused:
            raise self._told(refused.problem, key, what) from refused

    def _call(self, operation: str, arguments: Arguments, key: str, what: str) -> Any:  # Any: an answer
        return self._persist(lambda: getattr(self._client, operation)(**for_one_try(arguments)), key, what)

    def _persist(self, once: Callable[[], _R], key: str, what: str) -> _R:
        for tries in range(1, self._settings.tries + 1):
            with self._lock:
                wait = self._rate.wait_s(time.monotonic())
            if wait > 0:
                time.sleep(wait)
            try:
                return once()
            except client_errors() as error:
                problem = problem_of(error)
                if problem.verdict is Verdict.FINAL:
                    raise Refused(problem) from error
                if problem.verdict is Verdict.SLOW_DOWN:
                    with self._lock:
                        self._rate.slow_down(time.monotonic())
                if tries == self._settings.tries:
                    raise self._told(problem, key, what) from error
            time.sleep(pause_s(tries, random.random()))
        raise AssertionError("the loop returns or raises")

    def _told(self, problem: Problem, key: str, what: str) -> RemoteStoreError:
        return told(problem, self._where(key), what, server=self.server)

    def _where(self, key: str) -> str:
        return f"{self.url}/{key}" if key else self.url


class Refused(Exception):
    """The server's last word."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


class Slice(io.RawIOBase):
    """A part of an open file, as a body that is read while it is sent: it takes no memory of its own.

    Args:
        fd: The file.
        offset: Where the part begins.
        length: Its bytes.
    """

    def __init__(self, fd: int, offset: int, length: int) -> None:
        super().__init__()
        self._fd = fd
        self._start = offset
        self._length = length
        self._at = 0

    def __len__(self) -> int:
        return self._length

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        """Return where reading goes on, from the part's beginning."""
        return self._at

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Let reading go on elsewhere."""
        self._at = offset + (0, self._at, self._length)[whence]
        return self._at

    def readinto(self, buffer: Any, /) -> int:  # Any: writable memory
        """Read what comes next. Raises RemoteStoreError if the file has become shorter."""
        view = memoryview(buffer)[: max(0, self._length - self._at)]
        count = os.preadv(self._fd, [view], self._start + self._at) if view else 0
        if view and not count:
            raise RemoteStoreError("The file became shorter while it was sent")
        self._at += count
        return count


class Streamed(NamedTuple):
    """In place of a body: what makes one for each try."""

    fd: int
    offset: int
    length: int

    def body(self) -> Slice:
        """Return a body that stands at its beginning. Raises RemoteStoreError if the file has become shorter."""
        if os.fstat(self.fd).st_size < self.offset + self.length:
            raise RemoteStoreError("The file became shorter while it was sent")
        return Slice(self.fd, self.offset, self.length)


def for_one_try(arguments: Arguments) -> Arguments:
    """Return the arguments of one try. A large body is a stream: bytes would be copied behind the request's head."""
    body = arguments.get("Body")
    if isinstance(body, Streamed):
        return {**arguments, "Body": body.body()}
    if isinstance(body, bytes) and len(body) > SMALL_BYTES:
        return {**arguments, "Body": io.BytesIO(body)}
    return arguments
