"""GETs of a bucket's objects over the library's connections, past its machinery.

The library has shown with a GET of its own where the bucket is and how requests to it are signed; the next ones are
made after that pattern, at less than half of the processor time. What is answered other than usual is asked again
through the library, which knows about redirects, credentials and all the rest.
"""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from asyncflow.store.s3.library import answer_error, plain_request
from asyncflow.store.s3.signature import Keys, signed_get
from asyncflow.version import __version__

__all__ = ["Answer", "Direct", "Lesson", "Pattern", "watch"]

_UNRESERVED = "/~"
"""What is not quoted in a key, besides letters, digits and `-._`."""
_PORTS = {"http": 80, "https": 443}
_CODE = re.compile(rb"<Code>(\w+)</Code>")
_PATTERNS = 3
"""So often is learnt how to ask. Who is refused as often is no server for this."""


class Answer(NamedTuple):
    """What a server answered to a GET."""

    data: bytes
    headers: Mapping[str, str]
    """Found whatever the case of their names."""
    is_missing: bool = False
    """There is no such object."""


class Pattern(NamedTuple):
    """Where a bucket's objects are, and how they are asked for."""

    origin: str
    """Scheme and host, as in the address."""
    host: str
    """As `Host` says it."""
    path: str
    """What comes before a key."""
    region: str


class Direct:
    """Asks for the objects of one bucket.

    Args:
        client: Of aiobotocore, being watched (`watch`); its connections are used.
        credentials: Its own, renewed by themselves; None: it has none, and nothing is asked directly.
    """

    def __init__(self, client: Any, credentials: Any) -> None:  # Any: aiobotocore's
        self._send = getattr(getattr(getattr(client, "_endpoint", None), "http_session", None), "send", None)
        self._credentials = credentials
        self._pattern: Pattern | None = None
        self._patterns_left = _PATTERNS if credentials is not None and self._send is not None else 0

    @contextmanager
    def learning(self, key: str) -> Generator[None]:
        """Learn from the library's GET of an object, made within, how its like are asked for.

        Args:
            key: Its full key.
        """
        if self._pattern is not None or not self._patterns_left:
            yield
            return
        lesson = Lesson(quote(key, safe=_UNRESERVED))
        token = _LESSON.set(lesson)
        try:
            yield
        finally:
            _LESSON.reset(token)
        if lesson.pattern is not None:
            self._pattern = lesson.pattern
            self._patterns_left -= 1

    async def get(self, key: str, wanted: str) -> Answer | None:
        """Ask for an object; None: ask the library. Raises botocore's errors for what may pass.

        Args:
            key: Its full key.
            wanted: The range, as the header says it; empty: all of it.
        """
        pattern = self._pattern
        if pattern is None or self._send is None:
            return None
        frozen = await self._credentials.get_frozen_credentials()
        path = pattern.path + quote(key, safe=_UNRESERVED)
        keys = Keys(frozen.access_key, frozen.secret_key, frozen.token)
        signed = signed_get(pattern.host, path, pattern.region, keys, time.time())
        signed["User-Agent"] = f"asyncflow/{__version__}"
        if wanted:
            signed["Range"] = wanted
        response = await self._send(plain_request(pattern.origin + path, signed))
        data: bytes = await response.content
        status: int = response.status_code
        headers = (
            response.raw.headers
        )  # aiohttp's: the library's own copy takes ten times as long to look into
        if status == (206 if wanted else 200):
            return Answer(data, headers)
        found = _CODE.search(data)
        code = found[1].decode() if found else ""
        if status == 404 and code == "NoSuchKey":
            return Answer(b"", headers, is_missing=True)
        if status == 429 or status >= 500:
            raise answer_error(status, code, response.headers, "GetObject")
        if status not in (404, 416):
            self._pattern = None
        return None


class Lesson:
    """A GET that the library makes, looked at while it is signed.

    Args:
        quoted: The key that is asked for, as it is sent.
    """

    def __init__(self, quoted: str) -> None:
        self._quoted = quoted
        self.pattern: Pattern | None = None
        """None: it is made in a way that is not ours."""

    def see(self, request: Any, region: str, version: object) -> None:  # Any: botocore's
        """Look at a request before it is signed: for which region, and how; the last one counts."""
        signing: Mapping[str, Any] = request.context.get("signing") or {}
        parts = urlsplit(str(request.url))
        is_ours = (
            version == "s3v4"
            and signing.get("signing_name", "s3") == "s3"
            and not signing.get("request_credentials")
            and signing.get("identity_cache") is None
            and not parts.query
            and parts.path.endswith(f"/{self._quoted}")
        )
        if not is_ours:
            self.pattern = None
            return
        host = parts.netloc
        if parts.port is not None and _PORTS.get(parts.scheme) == parts.port:
            host = host.rpartition(":")[0]
        path = parts.path[: len(parts.path) - len(self._quoted)]
        self.pattern = Pattern(
            f"{parts.scheme}://{parts.netloc}", host, path, signing.get("region") or region
        )


_LESSON: ContextVar[Lesson | None] = ContextVar("asyncflow_s3_lesson", default=None)


def watch(client: Any) -> None:  # Any: of aiobotocore
    """Let `Direct` learn from what a client sends."""
    client.meta.events.register("before-sign.s3.GetObject", _look, unique_id="asyncflow-direct")


def _look(request: Any, region_name: str, signature_version: object, **_: object) -> None:  # Any: botocore's
    lesson = _LESSON.get()
    if lesson is not None:
        lesson.see(request, region_name, signature_version)
