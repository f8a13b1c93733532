"""How a platform is put together and taken apart."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from asyncflow.backends.kubernetes.api import Api, Rejected
from asyncflow.backends.kubernetes.asking import Asker
from asyncflow.backends.kubernetes.checks import namespace_of, options_of, overlay_of
from asyncflow.backends.kubernetes.connecting import Access
from asyncflow.backends.kubernetes.errors import BadConnection, BadOption, ClusterError, Unauthorized
from asyncflow.backends.kubernetes.mentioned import see_mentioned
from asyncflow.backends.kubernetes.nodes import why_no_node
from asyncflow.backends.kubernetes.options import Defaults, PodOptions
from asyncflow.backends.kubernetes.permissions import PODS, missing_permissions
from asyncflow.backends.kubernetes.platform import KubernetesPlatform, Timing
from asyncflow.backends.kubernetes.reaping import list_owned, remove_owned, sweep
from asyncflow.backends.kubernetes.tending import Limits
from asyncflow.backends.remote.platform import JobRef
from asyncflow.backends.remote.provider import PlatformContext, StepRequest
from asyncflow.errors import RunIsElsewhere
from asyncflow.settings import setting

__all__ = ["access_of", "api_of", "list_jobs", "namespaces_of", "open_platform", "remove_jobs"]

_LOG = logging.getLogger(__name__)
_PATIENCE_S = 15.0
"""For what somebody waits for."""
_PER_S = 100.0
_INDEX_LIMITS_SINCE = (1, 29)


def access_of(context: PlatformContext) -> Access:
    """Say where to look for the cluster: command line, then settings."""
    settings = context.settings
    return Access(
        kubeconfig=settings.get("kubeconfig") or setting("KUBERNETES_KUBECONFIG"),
        context=settings.get("kube_context") or setting("KUBERNETES_CONTEXT"),
    )


def api_of(context: PlatformContext, *, patience_s: float = 300.0) -> Api:
    """Return the cluster's API, to be entered. Raises BadOption for a setting that cannot be."""
    per_s = setting("KUBERNETES_QPS")
    try:
        rate = float(per_s) if per_s else _PER_S
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise BadOption(
            f"The setting KUBERNETES_QPS is {per_s!r:.100}, which is no number of requests a second"
        )
    return Api(access_of(context), per_s=rate, patience_s=patience_s)


def namespaces_of(context: PlatformContext, defaults: Defaults, default: str) -> list[str]:
    """Return the namespaces of the run's steps, without a doublet; the default one if there are no steps."""
    named = [options_of(step, defaults, default).namespace for step in context.steps]
    return list(dict.fromkeys(named)) or [default]


def _timing(defaults: Defaults) -> Timing:
    start_s = float(defaults.start_limit_s)
    return Timing(
        limits=Limits(pending_s=float(defaults.pending_limit_s), image_s=start_s, configuration_s=start_s),
        silence_s=float(defaults.silence_s),
        outage_s=float(defaults.outage_s),
    )


@asynccontextmanager
async def open_platform(
    context: PlatformContext, timing: Timing | None = None
) -> AsyncGenerator[KubernetesPlatform]:
    """Open the cluster for a run; everything of the run is deleted when the context is left.

    Raises:
        UserError: It cannot be used as it is configured.
        PlatformError: It does not answer.
    """
    defaults = Defaults.from_settings(setting)
    overlay = overlay_of(context.settings)
    async with api_of(context) as api:
        namespace = namespace_of(context.settings, defaults, api.loaded.namespace)
        namespaces = namespaces_of(context, defaults, namespace)
        timing = timing or _timing(defaults)
        version = await _version(api, timing.open_s)
        for one in namespaces:
            await _see(api, one, timing.open_s)
        asked = [(step, options_of(step, defaults, namespace)) for step in context.steps]
        await see_mentioned(api, asked, patience_s=timing.open_s)
        await _warn_of_sizes(api, asked, timing.open_s)
        asker = Asker(api, defaults=defaults, namespace=namespace, overlay=overlay)
        try:
            async with anyio.create_task_group() as group:
                platform = KubernetesPlatform(
                    api,
                    asker,
                    group,
                    owner=context.owner,
                    run=context.run if context.run is not None else 0,
                    namespaces=namespaces,
                    timing=timing,
                    keeps=defaults.ttl_s is not None,
                    has_index_limits=version >= _INDEX_LIMITS_SINCE,
                )
                if defaults.ttl_s is not None:
                    group.start_soon(sweep, api, context.owner, namespaces)
                try:
                    yield platform
                except RunIsElsewhere:
                    platform.detach()  # the pods are that one's now
                    raise
                finally:
                    await platform.aclose()
                    group.cancel_scope.cancel()
        except BaseExceptionGroup as failures:
            raise _sole(failures) from None


async def _warn_of_sizes(
    api: Api, asked: Sequence[tuple[StepRequest, PodOptions]], patience_s: float
) -> None:
    """Say which steps fit no node that there is now. They are not refused: an autoscaler may add one that they fit.

    Raises PlatformError.
    """
    try:
        nodes, _ = await api.list("/api/v1/nodes", patience_s=patience_s)
    except Rejected as rejected:
        _LOG.debug("nodes may not be looked at: %s", rejected)  # it takes a ClusterRole
        return
    for step, options in asked:
        why = why_no_node(options, nodes)
        if why:
            _LOG.warning(
                "step %s (%s): %s. Its pods wait until there is such a node; if nothing adds one, ask for less.",
                step.step,
                step.where,
                why,
            )


def _sole(error: BaseException) -> BaseException:
    """Return what is in a group alone, so that who uses the platform meets the error that was raised."""
    inner: Sequence[BaseException] = getattr(error, "exceptions", ())
    return _sole(inner[0]) if len(inner) == 1 else error


async def list_jobs(context: PlatformContext) -> list[JobRef]:
    """List the pods and gangs of the context's owner, or of its run. Raises UserError, PlatformError."""
    defaults = Defaults.from_settings(setting)
    async with api_of(context, patience_s=_PATIENCE_S) as api:
        namespace = namespace_of(context.settings, defaults, api.loaded.namespace)
        try:
            return await list_owned(api, context.owner, context.run, namespace)
        except Rejected as rejected:
            raise ClusterError(f"Pods cannot be listed: {rejected.message}") from rejected


async def remove_jobs(context: PlatformContext, ids: Sequence[str]) -> None:
    """End and remove what `list_jobs` told of. Raises UserError, PlatformError."""
    async with api_of(context, patience_s=_PATIENCE_S) as api:
        try:
            await remove_owned(api, ids)
        except Rejected as rejected:
            raise ClusterError(f"Pods cannot be removed: {rejected.message}") from rejected


async def _version(api: Api, patience_s: float) -> tuple[int, int]:
    """Return the server's version; so it is known to answer."""
    try:
        told: Any = await api.get("/version", patience_s=patience_s)  # Any: JSON
    except Unauthorized as error:
        raise BadConnection(
            error.message, hint="Log in to the cluster anew; try `kubectl get pods`."
        ) from error
    except Rejected as rejected:
        _LOG.debug("the server does not tell its version: %s", rejected)
        return (1, 0)  # some let only who may: gangs go without Jobs then
    digits = [str(told.get(name) or "0").rstrip("+") for name in ("major", "minor")]
    return (int(digits[0]), int(digits[1])) if all(one.isdecimal() for one in digits) else (1, 0)


async def _see(api: Api, namespace: str, patience_s: float) -> None:
    """See that the namespace is there and that pods may be made in it. Raises BadConnection, ClusterError."""
    try:
        await api.get(f"/api/v1/namespaces/{namespace}", patience_s=patience_s)
    except Rejected as rejected:
        if rejected.status == 404:
            raise BadConnection(
                f"There is no namespace {namespace} on {api.server}",
                hint=f"Make it (kubectl create namespace {namespace}), or choose another one: "
                "@kubernetes(namespace=...), ASYNCFLOW_KUBERNETES_NAMESPACE.",
            ) from rejected
        _LOG.debug("the namespace %s may not be looked at: %s", namespace, rejected)
    missing = await missing_permissions(api, namespace, PODS, patience_s=patience_s)
    if missing:
        raise BadConnection(
            f"The credentials of {api.loaded.told} may not {', '.join(missing)} in namespace {namespace}",
            hint="Ask for a role with these; `asyncflow doctor --backend kubernetes` says all that is missing.",
        )
