"""Keeps a replica up to date beside a program that reads it, such as the dashboard: in a thread of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from asyncflow.client.catching_up import Replica, replica_at
from asyncflow.errors import AsyncflowError

__all__ = ["Follower", "follow"]

_EVERY_S = 1.0
_LIST_EVERY = 3
"""The list of runs is looked at in every third round."""
_PATIENT_S = 10.0
"""How long to wait after the bucket did not answer."""


def follow(home: str, on_problem: Callable[[str], None]) -> Follower | None:
    """Begin to follow the bucket that a home stands for; None if it is no replica.

    Args:
        home: The store's directory.
        on_problem: Told, from the thread, when the bucket cannot be read; once until it can be again.
    """
    replica = replica_at(home)
    return None if replica is None else Follower(replica, on_problem)


class Follower:
    """Follows a bucket until it is closed.

    Args:
        replica: What is kept up to date.
        on_problem: See `follow`.
    """

    def __init__(self, replica: Replica, on_problem: Callable[[str], None]) -> None:
        self._replica = replica
        self._on_problem = on_problem
        self._asked: deque[tuple[int, Future[None]]] = deque()
        self._watched: dict[int, None] = {}
        self._wake = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._follow, name="asyncflow-follower", daemon=True)
        self._thread.start()

    def watch(self, run: int) -> Future[None]:
        """Follow a run from now on; the future is done once it was caught up with."""
        future: Future[None] = Future()
        self._asked.append((run, future))
        self._wake.set()
        return future

    def close(self) -> None:
        """Stop; a request under way is not waited for."""
        self._is_closed = True
        self._wake.set()

    def _follow(self) -> None:
        rounds, has_problem = 0, False
        while not self._is_closed:
            self._wake.clear()
            try:
                self._look(is_list_due=rounds % _LIST_EVERY == 0)
                rounds, has_problem = rounds + 1, False
            except AsyncflowError as error:
                if not has_problem:
                    self._on_problem(error.message)
                has_problem = True
            self._wake.wait(_PATIENT_S if has_problem else _EVERY_S)

    def _look(self, *, is_list_due: bool) -> None:
        asked: list[tuple[int, Future[None]]] = []
        while self._asked:
            asked.append(self._asked.popleft())
        self._watched.update(dict.fromkeys(run for run, _ in asked))
        try:
            for run, _ in asked:
                self._replica.catch_up_origins(run)
        finally:
            for _, future in asked:
                future.set_result(None)
        for run in self._watched:
            self._replica.catch_up_run(run)
        if is_list_due:
            self._replica.catch_up_list()
