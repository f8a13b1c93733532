"""A proxy that stands before a server and does what networks and overloaded servers do.

A test orders faults and asserts in the end that they fired; what was asked is written down, so that it can be counted.
"""

from __future__ import annotations

import http.client
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

SLOW_DOWN = "slow down"
"""503 SlowDown; nothing reaches the server."""
BROKEN = "broken"
"""500 InternalError; nothing reaches the server."""
LOST_ANSWER = "lost answer"
"""The server does what is asked; the connection ends without an answer."""
CUT_BODY = "cut body"
"""Half of the answer's body arrives, then the connection ends."""
FLIPPED_BODY = "flipped body"
"""The server receives a body of which one bit is another."""
DENIED = "denied"
"""403 AccessDenied."""
EXPIRED = "expired"
"""400 ExpiredToken."""
NO_BUCKET = "no bucket"
"""404 NoSuchBucket."""
MOVED = "moved"
"""301 PermanentRedirect, which does not say where to."""

_ANSWERS = {
    SLOW_DOWN: (503, "SlowDown"),
    BROKEN: (500, "InternalError"),
    DENIED: (403, "AccessDenied"),
    EXPIRED: (400, "ExpiredToken"),
    NO_BUCKET: (404, "NoSuchBucket"),
    MOVED: (301, "PermanentRedirect"),
}
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "expect", "keep-alive"}


class Fault:
    """Something that goes wrong, with requests whose `METHOD /path?query` matches.

    Args:
        kind: One of this module's words.
        pattern: A regular expression, searched for.
        times: How often. None: for ever.
    """

    def __init__(self, kind: str, pattern: str, times: int | None = 1) -> None:
        self.kind = kind
        self.pattern = re.compile(pattern)
        self.left = times
        self.fired = 0


class Proxy:
    """See the module."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.faults: list[Fault] = []
        self.region = ""
        """Where the server is: who signs for another region is told so, as AWS does. Empty: anywhere."""
        self.sent_elsewhere = 0
        """How many were told so."""
        self.requests: list[str] = []
        """`METHOD /path?query` of what was asked, in the order of arrival."""
        self.direct: list[str] = []
        """Those that were not made by AWS's library."""
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def order(self, kind: str, pattern: str, times: int | None = 1) -> Fault:
        """Order a fault."""
        fault = Fault(kind, pattern, times)
        self.faults.append(fault)
        return fault

    def heal(self) -> None:
        """Take back all faults."""
        self.faults.clear()

    def asked(self, pattern: str) -> list[str]:
        """Return the requests that match."""
        return [request for request in list(self.requests) if re.search(pattern, request)]

    def take(self, request: str) -> str | None:
        """Note a request; return the fault it meets, if there is one."""
        with self._lock:
            self.requests.append(request)
            for fault in self.faults:
                if fault.left != 0 and fault.pattern.search(request):
                    fault.fired += 1
                    fault.left = None if fault.left is None else fault.left - 1
                    return fault.kind
        return None

    def note_direct(self, request: str) -> None:
        """Note that a request was made past the library, which tells how often it has tried."""
        with self._lock:
            self.direct.append(request)

    def is_elsewhere(self, authorization: str) -> bool:
        """Tell whether a request is signed for another region, and count it."""
        scope = re.search(r"Credential=[^/]+/\d{8}/([^/]+)/", authorization)
        if not self.region or scope is None or scope[1] == self.region:
            return False
        with self._lock:
            self.sent_elsewhere += 1
        return True

    def run(self) -> None:
        """Serve until `close`."""
        self._server.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    proxy: Proxy

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that hang up are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    _upstream: http.client.HTTPConnection | None = None

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def finish(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
        super().finish()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.server.proxy.take(f"{self.command} {self.path}")
        if "amz-sdk-request" not in self.headers:
            self.server.proxy.note_direct(f"{self.command} {self.path}")
        if kind in _ANSWERS:
            self._refuse(*_ANSWERS[kind])
            return
        if self.server.proxy.is_elsewhere(self.headers.get("Authorization") or ""):
            self._refuse(400, "AuthorizationHeaderMalformed", self.server.proxy.region)
            return
        if kind == FLIPPED_BODY:
            body = body[:-1] + bytes([body[-1] ^ 1])
        answer, data = self._forward(body)
        if kind == LOST_ANSWER:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if kind == CUT_BODY:
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = _serve

    def _forward(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        target = self.server.proxy.target
        if self._upstream is None:
            self._upstream = http.client.HTTPConnection(target.hostname or "", target.port or 80, timeout=60)
            self._upstream.connect()
            self._upstream.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        self._upstream.request(self.command, self.path, body, {**headers, "Content-Length": str(len(body))})
        answer = self._upstream.getresponse()
        return answer, answer.read()

    def _refuse(self, status: int, code: str, region: str = "") -> None:
        told = f"<Code>{code}</Code><Message>ordered</Message>"
        told += f"<Region>{region}</Region>" if region else ""
        data = f"<?xml version='1.0'?><Error>{told}</Error>".encode()
        self.send_response_only(status)
        if region:
            self.send_header("x-amz-bucket-region", region)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", "0" if self.command == "HEAD" else str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def faulty(target: str) -> Iterator[Proxy]:
    """Stand before a server, in a thread."""
    proxy = Proxy(target)
    thread = threading.Thread(target=proxy.run, name="proxy")
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
