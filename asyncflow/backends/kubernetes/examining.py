"""Everything a run on a cluster needs, looked at one by one: for `asyncflow doctor --backend kubernetes`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from asyncflow.backends.kubernetes.api import Api, Rejected
from asyncflow.backends.kubernetes.checks import check_steps, namespace_of, options_of
from asyncflow.backends.kubernetes.mentioned import Mentioned, is_there, mentioned_by
from asyncflow.backends.kubernetes.nodes import why_no_node
from asyncflow.backends.kubernetes.opening import api_of, namespaces_of
from asyncflow.backends.kubernetes.options import Defaults
from asyncflow.backends.kubernetes.parts import Json, part, text
from asyncflow.backends.kubernetes.permissions import GANGS, PODS, missing_permissions
from asyncflow.backends.remote.provider import Finding, PlatformContext
from asyncflow.errors import AsyncflowError, PlatformError, UserError
from asyncflow.settings import setting

__all__ = ["examine"]

_PATIENCE_S = 10.0


async def examine(context: PlatformContext) -> list[Finding]:
    """Look at credentials, permissions, namespaces, and all that steps name. Never raises."""
    findings: list[Finding] = []
    try:
        defaults = Defaults.from_settings(setting)
        check_steps(context.steps, context.settings, defaults)
        async with api_of(context, patience_s=_PATIENCE_S) as api:
            findings.append(Finding("credentials", True, f"{api.loaded.told}, {api.server}"))
            async with aclosing(_look(api, context, defaults)) as looked:
                async for finding in looked:
                    findings.append(finding)  # noqa: PERF401 - what was found before a failure stays
    except (UserError, PlatformError) as error:
        findings.append(_failed("configuration" if not findings else "cluster", error))
    return findings


async def _look(api: Api, context: PlatformContext, defaults: Defaults) -> AsyncGenerator[Finding]:
    version: Json = await api.get("/version")
    yield Finding("cluster", True, f"answers, Kubernetes {text(version, 'gitVersion') or '?'}")
    default = namespace_of(context.settings, defaults, api.loaded.namespace)
    for namespace in namespaces_of(context, defaults, default):
        is_there = True
        async for finding in _look_at_namespace(api, namespace):
            is_there = is_there and (finding.is_ok or finding.what != "namespace")
            yield finding
        if not is_there:
            continue
        has_gangs = any(step.gang for step in context.steps)
        yield await _permissions(api, namespace, has_gangs=has_gangs)
    async for finding in _look_at_steps(api, context, defaults, default):
        yield finding


async def _look_at_namespace(api: Api, namespace: str) -> AsyncGenerator[Finding]:
    path = f"/api/v1/namespaces/{namespace}"
    yield await _exists(api, path, "namespace", namespace, hint=f"kubectl create namespace {namespace}")
    for quota in await _items(api, f"{path}/resourcequotas"):
        full = _full(part(quota, "status"))
        name = quota["metadata"]["name"]
        told = f"{name} has room" if not full else f"{name} is used up: {', '.join(full)}"
        yield Finding("quota", not full, told, "" if not full else "Pods wait until there is room.")


async def _permissions(api: Api, namespace: str, *, has_gangs: bool) -> Finding:
    wanted = (*PODS, *GANGS) if has_gangs else PODS
    missing = await missing_permissions(api, namespace, wanted, patience_s=_PATIENCE_S)
    if missing:
        return Finding(
            "permissions",
            False,
            f"in namespace {namespace} we may not {', '.join(missing)}",
            "Ask for a Role with these verbs, bound to you.",
        )
    return Finding("permissions", True, f"{', '.join(one.told for one in wanted)} in namespace {namespace}")


async def _look_at_steps(
    api: Api, context: PlatformContext, defaults: Defaults, default: str
) -> AsyncGenerator[Finding]:
    nodes = await _items(api, "/api/v1/nodes", otherwise=None) if context.steps else None
    seen: set[Mentioned] = set()
    for step in context.steps:
        options = options_of(step, defaults, default)
        for one in mentioned_by(options):
            if one not in seen:
                seen.add(one)
                yield await _exists(api, one.path, one.kind, one.name, hint=one.hint)
        if nodes is not None:
            why = why_no_node(options, nodes)
            told = f"step {step.step}: {why}" if why else f"step {step.step} fits a node"
            hint = "It waits until such a node is there; with an autoscaler that may be fine." if why else ""
            yield Finding("nodes", not why, told, hint)


async def _exists(api: Api, path: str, kind: str, name: str, *, hint: str) -> Finding:
    found = await is_there(api, path)
    if found is None:
        return Finding(kind, True, f"{name} may not be looked at, so it is taken to be there")
    return (
        Finding(kind, True, f"{name} is there")
        if found
        else Finding(kind, False, f"there is no {kind} {name}", hint)
    )


async def _items(api: Api, path: str, otherwise: Any = ()) -> Any:  # Any: JSON; None: not allowed
    try:
        items, _ = await api.list(path)
    except Rejected:
        return otherwise
    return items


def _full(status: Json) -> list[str]:
    """Return what of a quota is used up."""
    used = part(status, "used")
    return [f"{name} {limit}" for name, limit in part(status, "hard").items() if used.get(name) == limit]


def _failed(what: str, error: AsyncflowError) -> Finding:
    return Finding(what, False, error.message, error.hint)
