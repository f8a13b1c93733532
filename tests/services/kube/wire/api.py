"""Collections and items: list, get, create, update, patch, delete."""

from __future__ import annotations

import json
from typing import Any

import yaml
from aiohttp import web

from tests.services.kube.admission import Admission
from tests.services.kube.cluster import Cluster
from tests.services.kube.deletion import Deletion
from tests.services.kube.kinds import ACCESS_REVIEWS, NAMESPACES, PODS
from tests.services.kube.kubelet.verdicts import DISRUPTED
from tests.services.kube.objects import ApiError, Object, name_of, namespace_of, set_condition, timestamp
from tests.services.kube.selectors import everything, parse_selectors
from tests.services.kube.store import Stored
from tests.services.kube.validation import without_nulls
from tests.services.kube.wire.answers import answer, answer_object, list_text, wants_table
from tests.services.kube.wire.patch import apply_patch
from tests.services.kube.wire.protobuf import CONTENT_TYPE, read_protobuf
from tests.services.kube.wire.tables import table
from tests.services.kube.wire.target import Target


class Api:
    """Answers requests about objects, but for watches and logs."""

    def __init__(self, cluster: Cluster, deletion: Deletion) -> None:
        self._cluster = cluster
        self._store = cluster.store
        self.admission = Admission(cluster)
        self._deletion = deletion

    async def answer(self, target: Target, request: web.Request) -> web.Response:
        """Do what is asked.

        Raises:
            ApiError: It cannot be done.
        """
        match target.verb:
            case "list":
                return self._list(target, request)
            case "get":
                return self._get(target, request)
            case "create":
                return await self._create(target, request)
            case "update":
                return await self._update(target, request)
            case "patch":
                return await self._patch(target, request)
            case "delete":
                return await self._delete(target, request)
            case _:
                return await self._delete_collection(target, request)

    def select(self, target: Target, request: web.Request) -> list[Stored]:
        """Return the objects of a collection that a request selects."""
        query = request.query
        selected = parse_selectors(
            target.kind, query.get("labelSelector", ""), query.get("fieldSelector", "")
        )
        found = self._store.all(target.kind, target.namespace)
        return list(found) if selected is everything else [one for one in found if selected(one.item)]

    def _list(self, target: Target, request: web.Request) -> web.Response:
        query = request.query
        if query.get("continue"):
            rest, version = self._store.take_page(query["continue"])
        else:
            rest, version = self.select(target, request), self._store.version
            rest.sort(key=lambda one: (namespace_of(one.item), name_of(one.item)))
            _require_known(int(query.get("resourceVersion") or 0), version)
        limit = int(query.get("limit") or 0)
        token = ""
        if limit and len(rest) > limit:
            rest, more = rest[:limit], rest[limit:]
            token, remaining = self._store.keep_page(more, version), len(more)
        else:
            remaining = 0
        if wants_table(request):
            told = table(target.kind, rest, version)
            if token:
                told["metadata"].update({"continue": token, "remainingItemCount": remaining})
            return answer_object(told)
        return answer(list_text(target.kind, rest, version, token, remaining))

    def _get(self, target: Target, request: web.Request) -> web.Response:
        found = self._store.get(target.kind, target.namespace, target.name)
        if wants_table(request):
            return answer_object(table(target.kind, [found], self._store.version))
        return answer(found.text)

    async def _create(self, target: Target, request: web.Request) -> web.Response:
        item = without_nulls(await read_body(request))
        if target.kind is ACCESS_REVIEWS:
            return answer_object(self._review(item), 201)
        if target.subresource == "eviction":
            return self._evict(target, item)
        if target.name:
            raise ApiError(405, "the server does not allow this method on the requested resource")
        dry_run = request.query.get("dryRun") == "All"
        made = self.admission.create(target.kind, target.namespace, item, dry_run=dry_run)
        return answer(made.text, 201) if isinstance(made, Stored) else answer_object(made, 201)

    async def _update(self, target: Target, request: web.Request) -> web.Response:
        item = without_nulls(await read_body(request))
        if item.get("metadata", {}).get("name") != target.name:
            raise ApiError(400, "the name of the object does not match the name on the URL")
        if target.kind.namespaced:
            item["metadata"]["namespace"] = target.namespace
        changed = self.admission.update(target.kind, item, of_status=target.subresource == "status")
        return answer(changed.text)

    async def _patch(self, target: Target, request: web.Request) -> web.Response:
        patch = await read_body(request)
        found = self._store.get(target.kind, target.namespace, target.name)
        item = without_nulls(apply_patch(request.content_type, found.copy(), patch))
        if request.query.get("dryRun") == "All":
            return answer_object(item)
        return answer(self.admission.update(target.kind, item, of_status=target.subresource == "status").text)

    async def _delete(self, target: Target, request: web.Request) -> web.Response:
        options = await _delete_options(request)
        found = self._store.get(target.kind, target.namespace, target.name)
        gone = self._deletion.delete(target.kind, found, options)
        if target.kind in (PODS, NAMESPACES) or gone.item["metadata"].get("finalizers"):
            return answer(gone.text)
        details = {"name": target.name, "group": target.kind.group, "kind": target.kind.plural}
        details["uid"] = gone.item["metadata"]["uid"]
        return answer_object({**_SUCCESS, "details": details})

    async def _delete_collection(self, target: Target, request: web.Request) -> web.Response:
        options = await _delete_options(request)
        found = self.select(target, request)
        for stored in found:
            self._deletion.delete(target.kind, stored, options)
        return answer(list_text(target.kind, found, self._store.version, "", 0))

    def _review(self, review: Object) -> Object:
        asked = review.get("spec", {}).get("resourceAttributes") or {}
        resource = asked.get("resource", "")
        if asked.get("subresource"):
            resource = f"{resource}/{asked['subresource']}"
        denied = self._cluster.orders.denies(asked.get("verb", ""), resource, asked.get("namespace", ""))
        return {
            **review,
            "apiVersion": ACCESS_REVIEWS.api_version,
            "kind": ACCESS_REVIEWS.kind,
            "metadata": {"creationTimestamp": timestamp()},
            "status": {"allowed": not denied, **({"reason": "denied by order"} if denied else {})},
        }

    def _evict(self, target: Target, eviction: Object) -> web.Response:
        found = self._store.get(PODS, target.namespace, target.name)

        def change(item: Object) -> None:
            message = "Eviction API: evicting"
            set_condition(item["status"], DISRUPTED, "True", reason="EvictionByEvictionAPI", message=message)

        self._store.modify(PODS, target.namespace, target.name, change)
        self._deletion.delete(PODS, found, eviction.get("deleteOptions") or {})
        return answer_object(_SUCCESS, 201)


_SUCCESS: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def _require_known(asked: int, version: int) -> None:
    if asked > version:
        message = f"Too large resource version: {asked}, current: {version}"
        raise ApiError(504, message, details={"causes": [{"reason": "ResourceVersionTooLarge"}]})


async def read_body(request: web.Request) -> Any:  # Any: JSON
    """Return what a request brings, whatever form it has.

    Raises:
        ApiError: 400, it cannot be read; 415, it has a form that is not read here.
    """
    text = await request.read()
    if request.content_type == CONTENT_TYPE:
        return read_protobuf(text)
    try:
        if request.content_type.endswith("yaml"):
            return yaml.safe_load(text)
        return json.loads(text)
    except (ValueError, yaml.YAMLError) as error:
        raise ApiError(400, f"the object provided is unrecognized: {error}") from error


async def _delete_options(request: web.Request) -> Object:
    options: Object = (await read_body(request) if await request.read() else None) or {}
    if "gracePeriodSeconds" in request.query:
        options["gracePeriodSeconds"] = int(request.query["gracePeriodSeconds"])
    if "propagationPolicy" in request.query:
        options["propagationPolicy"] = request.query["propagationPolicy"]
    if "orphanDependents" in request.query:
        options["orphanDependents"] = request.query["orphanDependents"] == "true"
    return options
