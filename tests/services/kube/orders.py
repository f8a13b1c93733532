"""Faults as a test ordered them, and how often each fired."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Trouble(StrEnum):
    """What can go wrong."""

    LOST_ANSWER = "lost-answer"
    """The server does what is asked; the connection ends without an answer."""
    DROPPED = "dropped"
    """The connection ends; nothing is done."""
    DELAYED = "delayed"
    """The request waits for `delay_s`, then goes on."""
    REFUSED = "refused"
    """Answered with the status `code` (409, 403, 429, 500, 503, ...); `retry_after_s` becomes a header."""
    GONE = "gone"
    """A watch is told 410 Gone; its history is forgotten."""
    SILENT = "silent"
    """A watch hears nothing for `silent_s`, then goes on or, with `then="cut"`, is cut."""
    CUT = "cut"
    """A watch ends in the middle of a line."""
    EVICTED = "evicted"
    """The node is short of memory: the pod fails, `status.reason` is Evicted."""
    PREEMPTED = "preempted"
    """A pod of higher priority needs the place: the pod is deleted with DisruptionTarget PreemptionByScheduler."""
    SHUT_DOWN = "shut-down"
    """The (spot) node shuts down gracefully: the pod fails, DisruptionTarget TerminationByKubelet."""
    NODE_LOST = "node-lost"
    """The node is gone with its processes; `then` says what becomes of the pod: `deleted` or `failed`."""
    OOM_KILLED = "oom-killed"
    """The container is killed as if it had used too much memory."""
    NO_IMAGE = "no-image"
    """The image cannot be pulled."""
    SLOW_IMAGE = "slow-image"
    """Pulling the image takes `delay_s`."""
    NOT_SCHEDULED = "not-scheduled"
    """No node is ever found for the pod."""


REQUEST_TROUBLES = (Trouble.DELAYED, Trouble.DROPPED, Trouble.REFUSED)
WATCH_TROUBLES = (Trouble.GONE, Trouble.SILENT, Trouble.CUT)
POD_TROUBLES = (
    Trouble.EVICTED,
    Trouble.PREEMPTED,
    Trouble.SHUT_DOWN,
    Trouble.NODE_LOST,
    Trouble.OOM_KILLED,
)
"""What happens to a pod that runs."""


@dataclass(slots=True, kw_only=True)
class Order:
    """A fault: what, to which requests or pods, how often."""

    id: int
    trouble: Trouble
    verbs: tuple[str, ...] = ()
    """Of requests: get, list, watch, create, update, patch, delete, deletecollection. Empty: all."""
    resources: tuple[str, ...] = ()
    """`pods`, `pods/log`, ... Empty: all."""
    namespace: str = ""
    """Empty: all."""
    pattern: str = ""
    """A regular expression, searched for in the name (of a pod's image for NO_IMAGE and SLOW_IMAGE)."""
    times: int | None = None
    """None: for ever."""
    skip: int = 0
    """So many are let through first."""
    until: float | None = None
    """Seconds since the epoch; None: for ever."""
    options: dict[str, Any] = field(default_factory=dict)  # Any: numbers and words, by kind of trouble
    fired: int = 0
    reserved: int = 0
    """Pods that it is about to strike."""

    @property
    def is_over(self) -> bool:
        """Whether it can fire no more."""
        return (self.times is not None and self.fired + self.reserved >= self.times) or (
            self.until is not None and time.time() >= self.until
        )

    def concerns(self, verb: str, resource: str, namespace: str, name: str) -> bool:
        """Whether a request or a pod is meant."""
        return (
            (not self.verbs or verb in self.verbs)
            and (not self.resources or resource in self.resources)
            and (not self.namespace or namespace == self.namespace)
            and (not self.pattern or re.search(self.pattern, name) is not None)
        )

    def number(self, name: str, default: float = 0.0) -> float:
        """Return an option that is a number."""
        return float(self.options.get(name, default))

    def word(self, name: str, default: str = "") -> str:
        """Return an option that is a text."""
        return str(self.options.get(name, default))


class Orders:
    """All faults that were ordered, and what was asked of the server."""

    def __init__(self) -> None:
        self.all: list[Order] = []
        self.calls: Counter[tuple[str, str]] = Counter()
        """Requests by verb and resource."""
        self.denied: list[dict[str, Any]] = []  # Any: lists of words
        """What nobody may: `verbs`, `resources`, `namespaces`, each a list, empty for all."""
        self._next_id = 1

    def add(self, **said: Any) -> Order:  # Any: the fields of an Order
        """Order a fault; `seconds` limits how long it lasts."""
        seconds = said.pop("seconds", None)
        order = Order(
            id=self._next_id,
            **{**said, "trouble": Trouble(said["trouble"])},
            until=None if seconds is None else time.time() + float(seconds),
        )
        order.verbs, order.resources = tuple(order.verbs), tuple(order.resources)
        self._next_id += 1
        self.all.append(order)
        return order

    def take(
        self,
        troubles: tuple[Trouble, ...],
        *,
        verb: str = "",
        resource: str = "",
        namespace: str = "",
        name: str = "",
    ) -> Order | None:
        """Return the first fault that concerns a request or pod, and count that it fired."""
        for order in self.all:
            if (
                order.trouble in troubles
                and not order.is_over
                and order.concerns(verb, resource, namespace, name)
            ):
                if order.skip > 0:
                    order.skip -= 1
                    continue
                order.fired += 1
                return order
        return None

    def denies(self, verb: str, resource: str, namespace: str) -> bool:
        """Whether nobody may do this."""
        return any(
            (not rule.get("verbs") or verb in rule["verbs"])
            and (not rule.get("resources") or resource in rule["resources"])
            and (not rule.get("namespaces") or namespace in rule["namespaces"])
            for rule in self.denied
        )

    def clear(self) -> None:
        """Forget all faults, denials and counts."""
        self.all.clear()
        self.denied.clear()
        self.calls.clear()
