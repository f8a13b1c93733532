"""One request to the API server: as fast as it may be, again as long as it may help, in JSON without models.

The library's own calls turn every answer into objects: 0.5 ms for a pod of 4 kB, where reading it as JSON takes
0.016 ms (measured), and a pod is told of about five times. So its connections and its credentials are used here, and
answers are JSON.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

import anyio

from asyncflow.backends.kubernetes.connecting import Access, Loaded, library, load
from asyncflow.backends.kubernetes.errors import BadConnection, ClusterError, Unauthorized
from asyncflow.backends.kubernetes.jsontext import decode, encode
from asyncflow.backends.kubernetes.pacing import Pace, pause_s
from asyncflow.backends.kubernetes.parts import Json, many, text
from asyncflow.backends.kubernetes.proxies import settle_session
from asyncflow.text import one_line
from asyncflow.version import __version__

__all__ = ["Api", "Query", "Rejected"]

Query = Sequence[tuple[str, str | int]]

_AGAIN = (429, 500, 502, 503, 504)
_UNAUTHORIZED = 401
_SHARE_UNAUTHORIZED = 0.2
"""Of the patience: credentials were read anew already, so that only somebody who logs in helps."""
_TOO_MANY = 429
_LONGEST = 500
_REQUEST_S = 35.0
_LONGEST_ASKED_S = 60.0
_PARALLEL = 32
_NO_QUERY: Query = ()
_AGENT = f"asyncflow/{__version__}"
_PATCH_TYPE = "application/strategic-merge-patch+json"


class Rejected(Exception):
    """The server understood and said no.

    Args:
        status: Of HTTP.
        reason: Kubernetes' word for it, such as `AlreadyExists`.
        message: In the server's words.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def is_quota(self) -> bool:
        """Whether there is no room in the namespace now."""
        return self.status == 403 and "exceeded quota" in self.message


class _Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    query: Query = ()
    body: Json | None = None


class _Failure(NamedTuple):
    """Why a request is sent again."""

    told: str
    pause_s: float = 0.0
    status: int = 0


class Api:
    """One cluster. Enter it with `async with`.

    Args:
        access: Where it is.
        per_s: How many requests a second it is sent at most.
        patience_s: How long a request is tried again.
    """

    def __init__(self, access: Access, *, per_s: float = 100.0, patience_s: float = 300.0) -> None:
        self._access = access
        self._pace = Pace(per_s, 2 * per_s)
        self._patience_s = patience_s
        self._clients: list[Any] = []  # Any: kubernetes_asyncio.client.ApiClient; the last one is used
        self._loaded: Loaded | None = None
        self._renewing = anyio.Lock()
        self._room = anyio.Semaphore(_PARALLEL)
        self._errors: tuple[type[Exception], ...] = (OSError, TimeoutError)
        self.requests = 0
        """How many were sent."""

    @property
    def loaded(self) -> Loaded:
        """How the cluster is reached."""
        assert self._loaded is not None
        return self._loaded

    @property
    def server(self) -> str:
        """Its address, for messages."""
        return str(self.loaded.configuration.host)

    async def __aenter__(self) -> Api:
        """Read the configuration. Nothing is sent. Raises UserError."""
        await self._connect()
        # A token's file may be empty while it is being renewed: the configuration's own error passes, too.
        unread = library("kubernetes_asyncio.config").ConfigException
        self._errors = (library("aiohttp").ClientError, unread, OSError, TimeoutError)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections. Safe to call twice."""
        clients, self._clients = self._clients, []
        with anyio.CancelScope(shield=True):
            for client in clients:
                await client.close()

    async def get(
        self, path: str, query: Query = _NO_QUERY, *, patience_s: float | None = None
    ) -> Any:  # Any: JSON
        """Read an object or a list. Raises Rejected, ClusterError."""
        return decode(await self.request("GET", path, query, patience_s=patience_s))

    async def list(
        self, path: str, selector: str = "", *, fields: str = "", patience_s: float | None = None
    ) -> tuple[list[Json], str]:
        """Return the objects that a selector matches, and the version of the list. Raises Rejected, ClusterError."""
        query: list[tuple[str, str | int]] = [("limit", 500)]
        query += [
            (name, value) for name, value in (("labelSelector", selector), ("fieldSelector", fields)) if value
        ]
        items: list[Json] = []
        page = await self.get(path, query, patience_s=patience_s)
        while True:
            items += many(page, "items")
            more = text(page, "metadata", "continue")
            if not more:
                return items, text(page, "metadata", "resourceVersion")
            page = await self.get(path, [*query, ("continue", more)], patience_s=patience_s)

    async def create(self, path: str, manifest: Json, *, patience_s: float | None = None) -> bytes:
        """Create an object; return it as the server tells it, JSON. Raises Rejected, ClusterError."""
        return await self.request("POST", path, body=manifest, patience_s=patience_s)

    async def patch(self, path: str, change: Json) -> None:
        """Change an object, lists merged by their keys (strategic merge). Raises Rejected, ClusterError."""
        await self.request("PATCH", path, body=change)

    async def delete(
        self,
        path: str,
        *,
        grace_s: int | None = None,
        query: Query = _NO_QUERY,
        patience_s: float | None = None,
    ) -> bool:
        """Delete an object, or those a query selects, with what belongs to them.

        Returns:
            Whether there was something; what is gone already is no error. Raises Rejected, ClusterError.
        """
        options: dict[str, Any] = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": "Background",
        }
        if grace_s is not None:
            options["gracePeriodSeconds"] = grace_s
        try:
            await self.request("DELETE", path, query, body=options, patience_s=patience_s)
        except Rejected as rejected:
            if rejected.status in (404, 410):
                return False
            raise
        return True

    async def request(
        self,
        method: str,
        path: str,
        query: Query = _NO_QUERY,
        *,
        body: Json | None = None,
        patience_s: float | None = None,
    ) -> bytes:
        """Send a request, again as long as that may help; return the answer's body.

        Cancellation: safe; whether the server did what was asked is not known then.

        Raises:
            Rejected: The server said no, and would say so again.
            ClusterError: It could not be reached, or did not do it, for as long as `patience_s`.
        """
        patience_s = self._patience_s if patience_s is None else patience_s
        began_at = time.monotonic()
        asked = _Asked(method, path, query, body)
        tries = 0
        while True:
            tries += 1
            outcome = await self._try(asked)
            if isinstance(outcome, bytes):
                return outcome
            pause = pause_s(tries, random.random(), outcome.pause_s)
            share = _SHARE_UNAUTHORIZED if outcome.status == _UNAUTHORIZED else 1.0
            if time.monotonic() + pause > began_at + patience_s * share:
                raise self._gave_up(asked, tries, outcome)
            await anyio.sleep(pause)

    @asynccontextmanager
    async def stream(
        self, path: str, query: Query, silence_s: float
    ) -> AsyncGenerator[Any]:  # Any: aiohttp's stream
        """Open a watch; give what its lines are read from. One try.

        Raises:
            Rejected: The server said no.
            ConnectionError: It could not be opened, or ended as connections do.
            TimeoutError: Nothing came for `silence_s`.
        """
        timeout = library("aiohttp").ClientTimeout(total=None, sock_connect=10.0, sock_read=silence_s)
        client = self._clients[-1]
        try:
            response = await self._send(client, _Asked("GET", path, query), timeout)
            try:
                if response.status != 200:
                    failure = await self._answer(client, response, await response.read())
                    raise ConnectionError(failure.told)
                yield response.content
            finally:
                response.close()
        except TimeoutError:
            raise
        except self._errors as error:
            raise ConnectionError(str(error) or type(error).__name__) from error

    # One try

    async def _try(self, asked: _Asked) -> bytes | _Failure:
        wait_s = self._pace.wait_s(time.monotonic())
        if wait_s > 0:
            await anyio.sleep(wait_s)
        client = self._clients[-1]
        timeout = library("aiohttp").ClientTimeout(total=_REQUEST_S, sock_connect=10.0)
        async with self._room:
            try:
                response = await self._send(client, asked, timeout)
                data: bytes = await response.read()
            except self._errors as error:
                return _Failure(one_line(str(error) or type(error).__name__, _LONGEST))
        if 200 <= response.status < 300:
            return data
        return await self._answer(client, response, data)

    async def _send(
        self, client: Any, asked: _Asked, limits: Any
    ) -> Any:  # Any: the library's; aiohttp's response
        headers = {
            "Accept": "application/json",
            "Content-Type": _PATCH_TYPE if asked.method == "PATCH" else "application/json",
            "User-Agent": _AGENT,
        }
        await client.update_params_for_auth(headers, [], ["BearerToken"])
        self.requests += 1
        rest = client.rest_client
        query = f"?{urlencode(asked.query)}" if asked.query else ""
        return await rest.pool_manager.request(
            asked.method,
            client.configuration.host + asked.path + query,
            data=None if asked.body is None else encode(asked.body),
            headers=headers,
            timeout=limits,
            **_given(
                proxy=rest.proxy,
                proxy_headers=rest.proxy_headers,
                server_hostname=getattr(rest, "server_hostname", None),
            ),
        )

    async def _answer(self, client: Any, response: Any, data: bytes) -> _Failure:  # Any: the library's
        """Judge an answer that is no success. Raises Rejected."""
        status: int = response.status
        reason, message = _told(data, str(response.reason or ""))
        if status == _UNAUTHORIZED:
            await self._renew(client)
            return _Failure(f"the credentials of {self.loaded.told} are refused: {message}", status=status)
        if status not in _AGAIN:
            raise Rejected(status, reason, message)
        if status == _TOO_MANY:
            self._pace.slow_down(time.monotonic())
        return _Failure(f"{status} {message}", _asked_s(response.headers.get("Retry-After")), status)

    # Credentials

    async def _connect(self) -> None:
        loaded = await load(self._access)
        self._loaded = loaded
        client = library("kubernetes_asyncio.client").ApiClient(loaded.configuration)
        settle_session(client)
        self._clients.append(client)

    async def _renew(self, stale: Any) -> None:  # Any: the client whose credentials were refused
        """Read the configuration anew: a token in it may have been renewed, a plug-in gives another one."""
        async with self._renewing:
            if self._clients and self._clients[-1] is stale:
                try:
                    await self._connect()
                except BadConnection:
                    return  # the file is being rewritten, the plug-in fails: the next try sees

    def _gave_up(self, asked: _Asked, tries: int, failure: _Failure) -> ClusterError:
        times = "once" if tries == 1 else f"{tries} times"
        if failure.status == _UNAUTHORIZED:
            return Unauthorized(
                f"{self.server} was asked {times}: {failure.told}",
                hint="Log in to the cluster anew; what runs there goes on, `asyncflow resume RUN` takes it up again.",
            )
        return ClusterError(
            f"{self.server} did not do {asked.method} {asked.path}, asked {times}: {failure.told}",
            hint="See whether it answers: kubectl version",
        )


def _given(**arguments: Any) -> dict[str, Any]:  # Any: aiohttp's arguments
    return {name: value for name, value in arguments.items() if value}


def _told(data: bytes, otherwise: str) -> tuple[str, str]:
    """Return reason and message of an answer that is no success."""
    try:
        status = decode(data)
        return str(status.get("reason") or ""), one_line(str(status.get("message") or otherwise), _LONGEST)
    except (ValueError, AttributeError):
        return "", one_line(data.decode("utf-8", "replace").strip() or otherwise, _LONGEST)


def _asked_s(header: str | None) -> float:
    return min(_LONGEST_ASKED_S, float(header)) if header and header.isdecimal() else 0.0
