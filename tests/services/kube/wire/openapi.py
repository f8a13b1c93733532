"""As much of OpenAPI as makes kubectl leave the checking of objects to the server."""

from __future__ import annotations

from tests.services.kube.kinds import KINDS, Kind, groups
from tests.services.kube.objects import Object

_STRICTNESS = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}


def openapi_document(parts: tuple[str, ...]) -> Object | None:
    """Return what `/openapi/v3` and what is below it answers; None if there is no such document."""
    documents = {("api", "v1"): ("", "v1"), **{("apis", *group): group for group in groups()}}
    if not parts:
        below = {"/".join(place): f"/openapi/v3/{'/'.join(place)}" for place in documents}
        return {"paths": {name: {"serverRelativeURL": url} for name, url in below.items()}}
    if parts not in documents:
        return None
    group, version = documents[parts]
    kinds = [kind for kind in KINDS if (kind.group, kind.version) == (group, version)]
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.33.0"},
        "paths": {_path("/".join(parts), kind): _operations(kind) for kind in kinds},
    }


def _path(place: str, kind: Kind) -> str:
    where = "/namespaces/{namespace}" if kind.namespaced else ""
    return f"/{place}{where}/{kind.plural}/{{name}}"


def _operations(kind: Kind) -> Object:
    meant = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    one = {
        "parameters": [_STRICTNESS],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-group-version-kind": meant,
    }
    return {
        "get": {**one, "x-kubernetes-action": "get", "parameters": []},
        "put": {**one, "x-kubernetes-action": "put"},
        "patch": {**one, "x-kubernetes-action": "patch"},
    }
