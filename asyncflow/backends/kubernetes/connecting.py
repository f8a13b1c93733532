"""How the cluster is found: kubeconfig files and contexts, or the service account of the pod we run in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple, cast

import anyio.to_thread

from asyncflow.backends.kubernetes.errors import BadConnection, MissingLibrary
from asyncflow.backends.kubernetes.importing import import_lean
from asyncflow.backends.kubernetes.parts import NOTHING, text
from asyncflow.records import record

__all__ = ["Access", "Loaded", "library", "load"]

_DEFAULT_FILE = "~/.kube/config"
_HOST = "KUBERNETES_SERVICE_HOST"
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


@record
class Access:
    """Where to look for the cluster."""

    kubeconfig: str | None = None
    """Paths, separated as in PATH. None: KUBECONFIG, else ~/.kube/config, else the pod's own service account."""
    context: str | None = None
    """None: the current one of the kubeconfig."""
    account: str = _ACCOUNT
    """Directory in which a pod finds its token, the authority's certificate and its namespace."""


class Loaded(NamedTuple):
    """How the cluster is reached."""

    configuration: Any  # Any: kubernetes_asyncio has no types
    namespace: str | None
    """What the context says."""
    told: str
    """Where it comes from, for people."""


async def load(access: Access) -> Loaded:
    """Read the configuration; plug-ins that fetch credentials are run.

    Raises:
        BadConnection: There is none, or it cannot be used.
        MissingLibrary: kubernetes-asyncio is not installed.
    """
    # In a thread: it reads and writes files, and the library's own import takes long.
    return await anyio.to_thread.run_sync(_load, access)


def library(name: str = "kubernetes_asyncio") -> Any:  # Any: a module without types
    """Import kubernetes-asyncio or a part of it. Raises MissingLibrary."""
    try:
        import_lean()
        return import_module(name)
    except ImportError as error:
        raise MissingLibrary(
            f"Kubernetes needs kubernetes-asyncio, which is not installed ({error})",
            hint="Install it: pip install 'asyncflow-run[kubernetes]'",
        ) from error


def _load(access: Access) -> Loaded:
    library()
    paths = access.kubeconfig or os.environ.get("KUBECONFIG") or _DEFAULT_FILE
    existing = [path for path in paths.split(os.pathsep) if path and os.path.isfile(os.path.expanduser(path))]
    if existing:
        return _from_files(os.pathsep.join(existing), access.context)
    if os.environ.get(_HOST) and not (access.kubeconfig or access.context):
        return _from_pod(access.account)
    raise BadConnection(
        f"There is no kubeconfig at {paths}",
        hint="Name it with KUBECONFIG=/path/to/config, or let your cluster's tool write one; "
        "`kubectl config get-contexts` shows what there is.",
    )


def _from_files(paths: str, context: str | None) -> Loaded:
    client, kube = library("kubernetes_asyncio.client"), library("kubernetes_asyncio.config.kube_config")
    yaml_error = library("yaml").YAMLError
    wrong = (library("kubernetes_asyncio.config").ConfigException, yaml_error, OSError, ValueError)
    wrong += (TypeError, KeyError, AttributeError, AssertionError)  # of a file that is YAML and no kubeconfig
    configuration = client.Configuration()
    try:
        merged = kube.KubeConfigMerger(paths)
        values = cast("Mapping[str, Any]", merged.config.value)
        chosen = _context(values, context, paths)
        loader = kube.KubeConfigLoader(
            config_dict=merged.config, active_context=chosen, config_persister=merged.save_changes
        )
        # The loader is async for plug-ins and token servers; its files are read on the way: so in this thread.
        asyncio.run(loader.load_and_set(configuration))
        namespace = text(loader.current_context or NOTHING, "context", "namespace") or None
    except wrong as error:
        raise BadConnection(
            f"The kubeconfig {paths} cannot be used: {error or type(error).__name__}",
            hint="Try it with `kubectl version`.",
        ) from error
    return Loaded(configuration, namespace, f"context {chosen} of {paths}")


def _context(values: Mapping[str, Any], context: str | None, paths: str) -> str:  # Any: YAML
    known = [str(getattr(one, "value", one)["name"]) for one in values.get("contexts") or ()]
    chosen = context or values.get("current-context")
    if not chosen:
        raise BadConnection(
            f"The kubeconfig {paths} has no current context",
            hint=f"Name one of {', '.join(known)} with ASYNCFLOW_KUBERNETES_CONTEXT."
            if known
            else "It has no contexts at all.",
        )
    if chosen not in known:
        raise BadConnection(
            f"The kubeconfig {paths} has no context '{chosen}'",
            hint=f"It has: {', '.join(known) or 'none'}. Choose with ASYNCFLOW_KUBERNETES_CONTEXT.",
        )
    return str(chosen)


def _from_pod(account: str) -> Loaded:
    config = library("kubernetes_asyncio.config")
    configuration = library("kubernetes_asyncio.client").Configuration()
    try:
        config.load_incluster_config(
            client_configuration=configuration,
            token_filename=os.path.join(account, "token"),
            cert_filename=os.path.join(account, "ca.crt"),
        )
    except (config.ConfigException, OSError) as error:
        raise BadConnection(
            f"This looks like a pod, but its service account cannot be used: {error}",
            hint="Set automountServiceAccountToken, or give a kubeconfig with KUBECONFIG.",
        ) from error
    try:
        with open(os.path.join(account, "namespace"), encoding="utf-8") as file:
            namespace = file.read().strip() or None
    except OSError:
        namespace = None
    return Loaded(configuration, namespace, "the service account of this pod")
