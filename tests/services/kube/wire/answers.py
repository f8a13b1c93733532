"""How objects are put into answers: one, or a list."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from aiohttp import web

from tests.services.kube.kinds import Kind
from tests.services.kube.objects import ApiError, Object
from tests.services.kube.store import Stored

_JSON = "application/json"


def answer(text: bytes, status: int = 200) -> web.Response:
    """Return an answer of JSON that is encoded already."""
    return web.Response(body=text, status=status, content_type=_JSON)


def answer_object(item: Object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an answer of JSON."""
    return web.Response(body=json.dumps(item).encode(), status=status, content_type=_JSON, headers=headers)


def answer_error(error: ApiError) -> web.Response:
    """Return a Status of failure."""
    headers = {}
    if "retryAfterSeconds" in error.details:
        headers["Retry-After"] = str(error.details["retryAfterSeconds"])
    return answer_object(error.status(), error.code, headers)


def wants_table(request: web.BaseRequest) -> bool:
    """Whether the client prefers a table, as `kubectl get` does."""
    return "as=Table" in request.headers.get("Accept", "").partition(",")[0]


def list_text(kind: Kind, found: Iterable[Stored], version: int, token: str, remaining: int) -> bytes:
    """Return the text of a list."""
    metadata: Object = {"resourceVersion": str(version)}
    if token:
        metadata.update({"continue": token, "remainingItemCount": remaining})
    head = json.dumps({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata})
    return head[:-1].encode() + b',"items":[' + b",".join(stored.text for stored in found) + b"]}"
