"""A test's hand on the server: orders faults, and tells how often each fired and what was asked.

Its calls are short HTTP requests that block; in async tests put them into `asyncio.to_thread`.
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from tests.services.kube.orders import REQUEST_TROUBLES, Trouble

_WAIT_S = 40.0


class Fault:
    """An ordered fault."""

    def __init__(self, faults: Faults, number: int) -> None:
        self._faults = faults
        self._number = number

    @property
    def fired(self) -> int:
        """How often it has fired."""
        orders = self._faults.ask("GET", "orders")["orders"]
        return next((int(order["fired"]) for order in orders if order["id"] == self._number), 0)

    def wait(self, times: int = 1) -> None:
        """Wait until it has fired so often."""
        wait_until(lambda: self.fired >= times, f"fault {self._number} fired {times} times")


class Faults:
    """See the module. `pattern` is a regular expression, searched for in names; all filters are ANDed."""

    def __init__(self, url: str, ca_file: str | None = None, namespace: str = "") -> None:
        self._url = url
        self._ca_file = ca_file
        self._namespace = namespace
        self._tls = ssl.create_default_context(cafile=ca_file) if ca_file else None

    def within(self, namespace: str) -> Faults:
        """Return the same hand, whose faults of pods and watches are for this namespace unless they say another."""
        return Faults(self._url, self._ca_file, namespace)

    def refuse(
        self,
        code: int,
        *,
        verbs: Iterable[str] = (),
        resources: Iterable[str] = (),
        retry_after_s: int | None = None,
        **more: Any,  # Any: pattern, namespace, times, seconds, skip
    ) -> Fault:
        """Answer requests with a status: 409, 403, 429, 500, 503, ...; `times=None, seconds=5` is a storm."""
        options = {} if retry_after_s is None else {"retry_after_s": retry_after_s}
        return self.order(Trouble.REFUSED, verbs=verbs, resources=resources, code=code, **options, **more)

    def lose_answer(
        self, *, verbs: Iterable[str] = ("create",), resources: Iterable[str] = (), **more: Any
    ) -> Fault:
        """Do what is asked and drop the connection instead of answering."""
        return self.order(Trouble.LOST_ANSWER, verbs=verbs, resources=resources, **more)

    def drop(self, *, verbs: Iterable[str] = (), resources: Iterable[str] = (), **more: Any) -> Fault:
        """Drop the connection and do nothing."""
        return self.order(Trouble.DROPPED, verbs=verbs, resources=resources, **more)

    def delay(
        self, delay_s: float, *, verbs: Iterable[str] = (), resources: Iterable[str] = (), **more: Any
    ) -> Fault:
        """Let requests wait."""
        return self.order(Trouble.DELAYED, verbs=verbs, resources=resources, delay_s=delay_s, **more)

    def gone(self, resource: str = "pods", **more: Any) -> Fault:
        """Forget the history and tell a watch, open or next, 410 Gone."""
        return self.order(Trouble.GONE, resources=(resource,), **more)

    def silence(self, silent_s: float, *, resource: str = "pods", then: str = "resume", **more: Any) -> Fault:
        """Let a watch hear nothing for a while, then go on (`resume`, all changes follow) or end (`cut`)."""
        return self.order(Trouble.SILENT, resources=(resource,), silent_s=silent_s, then=then, **more)

    def cut(self, resource: str = "pods", **more: Any) -> Fault:
        """End a watch in the middle of a line."""
        return self.order(Trouble.CUT, resources=(resource,), **more)

    def pod(self, trouble: Trouble, pattern: str = "", *, after_s: float = 0.0, **more: Any) -> Fault:
        """Let something happen to pods that run, or as soon as they do: EVICTED, PREEMPTED, SHUT_DOWN, NODE_LOST
        (`then="deleted"` or `"failed"`), OOM_KILLED; or, before they run, NOT_SCHEDULED.
        """
        return self.order(trouble, pattern=pattern, after_s=after_s, **more)

    def no_image(self, pattern: str, **more: Any) -> Fault:
        """Let no image whose name matches be pulled: ErrImagePull, then ImagePullBackOff."""
        return self.order(Trouble.NO_IMAGE, pattern=pattern, **{"times": None, **more})

    def slow_image(self, delay_s: float, pattern: str = "", **more: Any) -> Fault:
        """Let pulling an image take so long."""
        return self.order(Trouble.SLOW_IMAGE, pattern=pattern, delay_s=delay_s, **more)

    def no_namespace(self, namespace: str, **more: Any) -> Fault:
        """Answer 404 to what is asked about a namespace."""
        return self.order(Trouble.REFUSED, namespace=namespace, code=404, **{"times": None, **more})

    def order(self, trouble: Trouble, **said: Any) -> Fault:
        """Order a fault; what is no filter is one of its options."""
        filters = ("verbs", "resources", "namespace", "pattern", "times", "seconds", "skip")
        body: dict[str, Any] = {"times": None if said.get("seconds") else 1}
        if trouble not in (*REQUEST_TROUBLES, Trouble.LOST_ANSWER):
            body["namespace"] = self._namespace
        body |= {name: said.pop(name) for name in filters if name in said}
        body |= {name: list(body[name]) for name in ("verbs", "resources") if name in body}
        order = self.ask("POST", "orders", {"trouble": trouble.value, **body, "options": said})
        return Fault(self, order["id"])

    def deny(
        self, *, verbs: Iterable[str] = (), resources: Iterable[str] = (), namespaces: Iterable[str] = ()
    ) -> None:
        """Answer 403, and `no` to a SelfSubjectAccessReview, from now on."""
        rule = {"verbs": list(verbs), "resources": list(resources), "namespaces": list(namespaces)}
        self.ask("POST", "deny", rule)

    def accept_tokens(self, *tokens: str) -> None:
        """Accept these bearer tokens only: the ones given before have expired. Without any, all are let in."""
        self.ask("POST", "tokens", {"tokens": list(tokens)})

    def compact(self) -> None:
        """Forget the history: watches that start from an old version, and pages of old lists, get 410."""
        self.ask("POST", "compact")

    def lose_node(self, node: str, *, then: str = "deleted") -> int:
        """Take a node away with its processes; its pods are `deleted` or `failed`. Return how many there were."""
        return int(self.ask("POST", "nodes/lose", {"node": node, "then": then})["pods"])

    def restore_node(self, node: str) -> None:
        """Bring a node back."""
        self.ask("POST", "nodes/restore", {"node": node})

    def calls(self) -> Counter[tuple[str, str]]:
        """Return how often each verb was asked of each resource: `("create", "pods")`, `("get", "pods/log")`."""
        counted = self.ask("GET", "calls")["calls"]
        return Counter({(one["verb"], one["resource"]): one["count"] for one in counted})

    def open_watches(self) -> int:
        """Return how many watches are open."""
        return int(self.ask("GET", "calls")["watches"])

    def forget_calls(self) -> None:
        """Count from nothing."""
        self.ask("DELETE", "calls")

    def clear(self) -> None:
        """Take back all faults, denials, counts and changes of tokens; bring back no node."""
        self.ask("DELETE", "orders")

    def ask(self, method: str, path: str, body: object | None = None) -> Any:  # Any: JSON
        """Ask the admin path."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        request = urllib.request.Request(f"{self._url}/admin/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=_WAIT_S, context=self._tls) as answer:
            return json.load(answer)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = _WAIT_S) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: It does not in time.
    """
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"waited {seconds:g} s until {what}")
        time.sleep(0.02)
