"""The admin path: order faults, count what was asked and what fired. No part of Kubernetes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aiohttp import web

from tests.services.kube.cluster import Cluster
from tests.services.kube.kubelet.kubelet import Kubelet
from tests.services.kube.objects import ApiError, Object
from tests.services.kube.wire.answers import answer_object
from tests.services.kube.wire.watch import Watches


class Admin:
    """See the module."""

    def __init__(self, cluster: Cluster, kubelet: Kubelet, watches: Watches) -> None:
        self._cluster = cluster
        self._kubelet = kubelet
        self._watches = watches

    async def answer(self, request: web.Request) -> web.Response:
        """Do what is asked.

        Raises:
            ApiError: 404, there is no such thing.
        """
        said: dict[str, Any] = await request.json() if request.can_read_body else {}
        match (request.method, request.path.removeprefix("/admin/")):
            case ("POST", "orders"):
                return answer_object(self._order(said), 201)
            case ("GET", "orders"):
                return answer_object({"orders": [asdict(order) for order in self._cluster.orders.all]})
            case ("DELETE", "orders"):
                self._cluster.orders.clear()
                self._cluster.tokens[:] = self._cluster.settings.tokens
            case ("GET", "calls"):
                calls = self._cluster.orders.calls
                counted = [
                    {"verb": verb, "resource": what, "count": count} for (verb, what), count in calls.items()
                ]
                return answer_object({"calls": counted, "watches": self._watches.count()})
            case ("DELETE", "calls"):
                self._cluster.orders.calls.clear()
            case ("POST", "deny"):
                self._cluster.orders.denied.append(said)
            case ("POST", "tokens"):
                self._cluster.tokens[:] = said["tokens"]
            case ("POST", "compact"):
                self._cluster.store.compact()
            case ("POST", "nodes/lose" | "nodes/restore" as what):
                return answer_object(self._change_node(what == "nodes/lose", said))
            case _:
                raise ApiError(404, f"no such admin path: {request.method} {request.path}")
        return answer_object({})

    def _change_node(self, is_lost: bool, said: dict[str, Any]) -> Object:
        if is_lost:
            removes = said.get("then", "deleted") == "deleted"
            return {"pods": self._kubelet.lose_node(said["node"], removes=removes)}
        self._kubelet.restore_node(said["node"])
        return {}

    def _order(self, said: dict[str, Any]) -> Object:
        order = self._cluster.orders.add(**said)
        self._watches.meet_orders()
        self._kubelet.meet_orders()
        return asdict(order)
