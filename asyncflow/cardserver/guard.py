"""Who may ask: requests that name this server and know its token. What answers carry so that pages stay alone."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web

from asyncflow.errors import StoreError

__all__ = ["Guard", "new_token"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
    "Cache-Control": "no-store",
}
_NOTHING = "default-src 'none'; frame-ancestors 'none'"


def new_token() -> str:
    """Return a token that nobody guesses: 128 random bits."""
    return secrets.token_urlsafe(16)


class Guard:
    """Refuses what does not come from somebody who was given the address.

    Args:
        token: The first part of every path.
        custom_token: That of pages which custom cards have made: their scripts can read it, and open nothing by it.
    """

    def __init__(self, token: str, custom_token: str) -> None:
        self._token = token
        self._custom_token = custom_token
        self.hosts: tuple[str, ...] = ()
        """What `Host` may be, known once the port is."""

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request, or refuse it."""
        try:
            self._look_at(request)
            response = await handler(request)
        except web.HTTPException as refused:
            _dress(refused)
            raise
        except StoreError as error:
            broken = web.HTTPServiceUnavailable(text=f"{error.headline}: {error}")
            _dress(broken)
            raise broken from error
        if not response.prepared:
            _dress(response)
        return response

    def headers(self) -> dict[str, str]:
        """Return what an answer carries that is begun before its handler has ended."""
        return dict(_HEADERS)

    def _look_at(self, request: web.Request) -> None:
        if request.headers.get("Host", "") not in self.hosts:  # a name of somebody else's that leads here
            raise web.HTTPMisdirectedRequest
        if request.method not in ("GET", "HEAD"):
            raise web.HTTPMethodNotAllowed(request.method, ["GET", "HEAD"])
        origin = request.headers.get("Origin")
        if origin is not None and origin not in [f"http://{host}" for host in self.hosts]:
            raise web.HTTPForbidden
        is_elsewhere = request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none")
        if is_elsewhere and request.headers.get("Sec-Fetch-Mode") != "navigate":
            raise web.HTTPForbidden
        given = request.match_info.get("token", "")
        wanted = self._custom_token if request.path.endswith("/custom") else self._token
        if not hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode()):
            raise web.HTTPNotFound


def _dress(response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", _NOTHING)
