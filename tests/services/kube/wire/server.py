"""The way of a request: counted, let through or not, made to fail if so ordered, and answered."""

from __future__ import annotations

import asyncio
import traceback

from aiohttp import web

from tests.services.kube.cluster import Cluster
from tests.services.kube.deletion import Deletion
from tests.services.kube.kinds import SERVER_VERSION, group_list, group_of, groups, resource_list
from tests.services.kube.kubelet.kubelet import Kubelet
from tests.services.kube.objects import ApiError, Object
from tests.services.kube.orders import REQUEST_TROUBLES, Trouble
from tests.services.kube.wire.admin import Admin
from tests.services.kube.wire.answers import answer_error, answer_object
from tests.services.kube.wire.api import Api, read_body
from tests.services.kube.wire.openapi import openapi_document
from tests.services.kube.wire.podlogs import serve_log
from tests.services.kube.wire.target import Target, parse_target
from tests.services.kube.wire.watch import Watches

_HEALTH = ("/healthz", "/readyz", "/livez")


class Server:
    """See the module."""

    def __init__(self, cluster: Cluster, deletion: Deletion, kubelet: Kubelet) -> None:
        self._cluster = cluster
        self.api = Api(cluster, deletion)
        self._watches = Watches(cluster)
        self._admin = Admin(cluster, kubelet, self._watches)

    def app(self) -> web.Application:
        """Return the application that serves."""
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._serve)
        return app

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        try:
            if request.path.startswith("/admin/"):
                return await self._admin.answer(request)
            if request.path in _HEALTH:
                return web.Response(text="ok")
            self._authenticate(request)
            target = parse_target(request.method, request.path, request.query)
            if target is None:
                return answer_object(_discovery(request.path))
            return await self._answer(target, request)
        except ApiError as error:
            return answer_error(error)
        except Exception as error:  # a mistake of this server: seen by who runs it and by who asked
            traceback.print_exc()
            return answer_error(ApiError(500, f"Internal error occurred: {error!r}"))

    def _authenticate(self, request: web.Request) -> None:
        tokens = self._cluster.tokens
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if tokens and given not in tokens:
            self._cluster.orders.calls["refused", "401"] += 1
            raise ApiError(401, "Unauthorized")

    async def _answer(self, target: Target, request: web.Request) -> web.StreamResponse:
        orders = self._cluster.orders
        orders.calls[target.verb, target.resource] += 1
        said = await _name_in(target, request) if orders.all else target.name
        place = {
            "verb": target.verb,
            "resource": target.resource,
            "namespace": target.namespace,
            "name": said,
        }
        order = orders.take(REQUEST_TROUBLES, **place)
        if order is not None and order.trouble is Trouble.DELAYED:
            await asyncio.sleep(order.number("delay_s", 1.0))
        elif order is not None and order.trouble is Trouble.DROPPED:
            return _hang_up(request)
        elif order is not None:
            raise _refusal(int(order.number("code", 500)), order.options, target)
        self._authorise(target)
        if target.verb == "watch":
            return await self._watches.serve(target, request)
        if target.subresource == "log":
            return await serve_log(self._cluster, target, request)
        answered = await self.api.answer(target, request)
        if orders.take((Trouble.LOST_ANSWER,), **place) is not None:
            return _hang_up(request)
        return answered

    def _authorise(self, target: Target) -> None:
        if not self._cluster.orders.denies(target.verb, target.resource, target.namespace):
            return
        where = f' in the namespace "{target.namespace}"' if target.namespace else " at the cluster scope"
        message = (
            f'{target.kind.qualified} is forbidden: User "tester" cannot {target.verb} resource '
            f'"{target.resource}" in API group "{target.kind.group}"{where}'
        )
        details = {"name": target.name, "group": target.kind.group, "kind": target.kind.plural}
        raise ApiError(403, message, details=details)


async def _name_in(target: Target, request: web.Request) -> str:
    """Return the name that a request is about; for a creation it stands in the body."""
    if target.name or target.verb != "create":
        return target.name
    try:
        metadata = (await read_body(request)).get("metadata") or {}
    except (ApiError, AttributeError):
        return ""
    return str(metadata.get("name") or metadata.get("generateName") or "")


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _refusal(code: int, options: Object, target: Target) -> ApiError:
    messages = {
        403: f"{target.kind.qualified} is forbidden: ordered",
        404: f'namespaces "{target.namespace}" not found',
        409: f'Operation cannot be fulfilled on {target.kind.qualified} "{target.name}": ordered',
        410: "too old resource version: 1 (2)",
        429: "Too many requests, please try again later.",
        503: "the server is currently unable to handle the request",
        504: "request timed out",
    }
    details: Object = {"name": target.name, "group": target.kind.group, "kind": target.kind.plural}
    if "retry_after_s" in options:
        details["retryAfterSeconds"] = int(options["retry_after_s"])
    message = str(options.get("message") or messages.get(code, "Internal error occurred: ordered"))
    return ApiError(code, message, reason=str(options.get("reason") or ""), details=details)


def _discovery(path: str) -> Object:
    parts = tuple(part for part in path.split("/") if part)
    found: Object | None = None
    match parts:
        case ("version",):
            found = dict(SERVER_VERSION)
        case ("api",):
            found = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ("apis",):
            found = group_list()
        case ("apis", group) if group in dict(groups()):
            found = {"kind": "APIGroup", "apiVersion": "v1", **group_of(group, dict(groups())[group])}
        case ("api", version):
            found = resource_list("", version)
        case ("apis", group, version):
            found = resource_list(group, version)
        case ("openapi", "v3", *rest):
            found = openapi_document(tuple(rest))
    if found is None:
        raise ApiError(404, "the server could not find the requested resource")
    return found
