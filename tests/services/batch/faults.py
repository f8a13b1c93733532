"""What stands before moto: counts what is asked and answers as overloaded, broken and strict services do."""

from __future__ import annotations

import io
import itertools
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from tests.services.batch import words

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_ANSWERS = {
    words.THROTTLED: (429, "TooManyRequestsException", "Too Many Requests"),
    words.LIMITED: (429, "TooManyRequestsException", "Too Many Requests"),
    words.BROKEN: (500, "ServerException", "Internal server error"),
    words.UNAVAILABLE: (503, "ServiceUnavailableException", "Service unavailable"),
    words.EXPIRED: (403, "ExpiredTokenException", "The security token included in the request is expired"),
    words.UNKNOWN_KEY: (
        403,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    ),
    words.DENIED: (403, "AccessDeniedException", "User: {user} is not authorized to perform: {action}"),
}
_S3_CODES = {
    words.THROTTLED: (503, "SlowDown"),
    words.LIMITED: (503, "SlowDown"),
    words.BROKEN: (500, "InternalError"),
    words.UNAVAILABLE: (503, "ServiceUnavailable"),
    words.EXPIRED: (400, "ExpiredToken"),
    words.UNKNOWN_KEY: (403, "InvalidAccessKeyId"),
    words.DENIED: (403, "AccessDenied"),
}
KINDS = (*_ANSWERS, words.DROPPED, words.LOST_ANSWER, words.SLOW)
_USER = "arn:aws:iam::123456789012:user/testing"


@dataclass(slots=True, kw_only=True)
class Fault:
    """Something that goes wrong with requests whose action matches."""

    number: int
    kind: str
    pattern: re.Pattern[str]
    left: int | None
    """None: for ever."""
    skip: int = 0
    """So many requests pass before."""
    delay_s: float = 0.0
    """SLOW: so late."""
    per_s: float = 0.0
    """LIMITED: so many a second pass."""
    burst: float = 0.0
    fired: int = 0
    _tokens: float = field(default=-1.0)
    _at: float = 0.0

    def meets(self, action: str) -> bool:
        """Say whether a request meets it now, and count."""
        if self.left == 0 or not self.pattern.search(action):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.kind == words.LIMITED and self._has_token():
            return False
        self.fired += 1
        self.left = None if self.left is None else self.left - 1
        return True

    def _has_token(self) -> bool:
        now = time.monotonic()
        if self._tokens < 0:
            self._tokens, self._at = self.burst, now
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.per_s)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Faults:
    """Wraps a WSGI application. Actions are called `batch:SubmitJob`, `logs:GetLogEvents`, `s3:PUT /bucket/key`."""

    def __init__(self, inner: Wsgi) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._all: dict[int, Fault] = {}
        self._asked: dict[str, dict[str, int]] = {}

    def add(self, kind: str, pattern: str, times: int | None, **more: float) -> Fault:
        """Order a fault."""
        if kind not in KINDS:
            raise ValueError(f"no such fault: {kind}")
        with self._lock:
            fault = Fault(number=next(self._numbers), kind=kind, pattern=re.compile(pattern), left=times)
            for name, value in more.items():
                setattr(fault, name, value)
            self._all[fault.number] = fault
        return fault

    def fired(self) -> dict[int, int]:
        """Return how often each has happened, by its number."""
        return {number: fault.fired for number, fault in self._all.items()}

    def clear(self) -> None:
        """Take all back."""
        with self._lock:
            self._all.clear()

    def calls(self) -> dict[str, dict[str, int]]:
        """Return how often each action was asked, and how often refused."""
        with self._lock:
            return {action: dict(counts) for action, counts in self._asked.items()}

    def forget(self) -> None:
        """Count from zero."""
        with self._lock:
            self._asked.clear()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer, or let the application answer."""
        service, action = action_of(environ)
        kind, delay_s = self._take(service, action)
        if kind == words.SLOW:
            time.sleep(delay_s)
            kind = None
        if kind is None:
            return self._inner(environ, start_response)
        if kind == words.LOST_ANSWER:
            for _ in self._inner(environ, lambda *_: lambda _: None):
                pass  # what is asked is done
            return _cut(environ, start_response)
        if kind == words.DROPPED:
            return _cut(environ, start_response)
        return _refuse(service, action, kind, start_response)

    def _take(self, service: str, action: str) -> tuple[str | None, float]:
        counted = action if service != "s3" else f"s3:{action[3:].split(' ')[0]}"
        with self._lock:
            counts = self._asked.setdefault(counted, {"asked": 0, "refused": 0})
            counts["asked"] += 1
            for fault in self._all.values():
                if fault.meets(action):
                    counts["refused"] += fault.kind not in (words.SLOW, words.LOST_ANSWER)
                    return fault.kind, fault.delay_s
        return None, 0.0


def _refuse(service: str, action: str, kind: str, start_response: Callable[..., Any]) -> Iterable[bytes]:
    status, code, message = _ANSWERS[kind]
    if service != "batch" and code == "TooManyRequestsException":
        status, code, message = 400, "ThrottlingException", "Rate exceeded"
    if service == "s3":
        status, code = _S3_CODES[kind]
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        headers = [("Content-Type", "application/xml")]
    elif service == "ec2":
        code = "UnauthorizedOperation" if kind == words.DENIED else code
        told = f"<Code>{code}</Code><Message>{message.format(user=_USER, action=action)}</Message>"
        body = f"<Response><Errors><Error>{told}</Error></Errors><RequestID>1</RequestID></Response>".encode()
        headers = [("Content-Type", "text/xml")]
    else:
        text = message.format(user=_USER, action=action)
        body = json.dumps({"__type": code, "message": text}).encode()
        headers = [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", code)]
    start_response(f"{status} Ordered", [*headers, ("Content-Length", str(len(body)))])
    return [body]


def _cut(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """End the connection without an answer."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    start_response("500 Cut", [("Content-Length", "0")])
    return [b""]


def action_of(environ: dict[str, Any]) -> tuple[str, str]:
    """Return the service and the action of a request, as IAM would call it."""
    scope = re.search(r"Credential=[^,]*?/\d{8}/[^/]*/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    service = scope.group(1) if scope else ""
    method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
    if service == "batch":
        words_of_path = path.strip("/").split("/")
        return service, f"batch:{_operations().get(words_of_path[1], words_of_path[1])}"
    if service in ("s3", ""):
        return "s3", f"s3:{method} {path}"
    if service == "ec2":
        return service, f"ec2:{_asked_in_form(environ)}"
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    return service, f"{service}:{target.rpartition('.')[2] or method}"


def _asked_in_form(environ: dict[str, Any]) -> str:
    """Return the action that a form's body names; the body can be read again."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return parse_qs(body.decode()).get("Action", [""])[0]


@cache
def _operations() -> dict[str, str]:
    """Return Batch's operations by the word in their paths."""
    import botocore.session

    model = botocore.session.Session().get_service_model("batch")
    names: dict[str, str] = {}
    operations: Any = model.operation_names  # Any: a cached property that botocore does not type
    for name in operations:
        uri = model.operation_model(name).http["requestUri"]
        names[uri.strip("/").split("/")[1]] = name
    return names
