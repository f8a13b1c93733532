"""What can be known of a run's steps before anything is asked. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from asyncflow.backends.kubernetes.errors import BadOption
from asyncflow.backends.kubernetes.options import Defaults, PodOptions, resolve
from asyncflow.backends.kubernetes.template import Overlay, parse_template
from asyncflow.backends.remote.provider import StepRequest
from asyncflow.flow.compute_values import is_dns_label, is_dns_subdomain, is_image, is_label_value

__all__ = ["SETTINGS", "check_steps", "namespace_of", "options_of", "overlay_of"]

SETTINGS = ("k8s_template", "namespace", "kubeconfig", "kube_context")
"""What may be said on the command line."""

_SHORTEST_TIMEOUT_S = 60


def check_steps(steps: Sequence[StepRequest], settings: Mapping[str, Any], defaults: Defaults) -> None:
    """See that every step can be asked for.

    Raises:
        BadOption: One cannot; says which, and which option.
        BadTemplate: The template is none.
    """
    overlay_of(settings)
    namespace = settings.get("namespace")
    if namespace is not None and not is_dns_label(str(namespace)):
        raise BadOption(
            f"--namespace is {namespace!r:.100}, which no namespace is called",
            hint="Small letters, digits and '-', at most 63.",
        )
    for request in steps:
        _check(request, defaults, str(namespace or "default"))


def overlay_of(settings: Mapping[str, Any]) -> Overlay | None:  # Any: of the command line
    """Return the template that was given. Raises BadTemplate."""
    text = settings.get("k8s_template")
    return parse_template(str(text)) if text else None


def namespace_of(
    settings: Mapping[str, Any], defaults: Defaults, context: str | None
) -> str:  # Any: as above
    """Return the namespace of steps that name none: command line, settings, the kubeconfig's context, `default`."""
    return str(settings.get("namespace") or defaults.namespace or context or "default")


def options_of(request: StepRequest, defaults: Defaults, namespace: str) -> PodOptions:
    """Return what a step asks for. Raises BadOption that names it."""
    try:
        return resolve(
            request.options, request.size, request.timeout_s, defaults=defaults, namespace=namespace
        )
    except BadOption as error:
        raise BadOption(
            f"Step {request.step}: {error.message}", where=request.where, hint=error.hint
        ) from None


def _check(request: StepRequest, defaults: Defaults, namespace: str) -> None:
    options = options_of(request, defaults, namespace)

    def refuse(option: str, value: object, wanted: str) -> BadOption:
        return BadOption(
            f"Step {request.step} has {option}={value!r:.100}, which is not {wanted}", where=request.where
        )

    if request.timeout_s is not None and request.timeout_s < _SHORTEST_TIMEOUT_S:
        raise BadOption(
            f"Step {request.step} has a @timeout of {request.timeout_s:g} s, and on Kubernetes it is at least "
            f"{_SHORTEST_TIMEOUT_S} s",
            where=request.where,
            hint="A pod takes its time to start; use @timeout(minutes=1) or more.",
        )
    _check_sizes(options, refuse)
    _check_names(options, refuse)
    _check_mounts(options, refuse)


_Refuse = Callable[[str, object, str], BadOption]


def _check_sizes(options: PodOptions, refuse: _Refuse) -> None:
    for name, value in (("cpu", options.cpu), ("memory", options.memory_mb), ("disk", options.disk_mb)):
        if not 0 < value < float("inf"):
            raise refuse(name, value, "a positive number")
    if options.tmpfs_mb is not None and options.tmpfs_mb > options.memory_mb:
        raise refuse("tmpfs_size", options.tmpfs_mb, f"within its memory of {options.memory_mb:g} MB")
    if options.shared_memory_mb is not None and options.shared_memory_mb > options.memory_mb:
        raise refuse(
            "shared_memory", options.shared_memory_mb, f"within its memory of {options.memory_mb:g} MB"
        )


def _check_names(options: PodOptions, refuse: _Refuse) -> None:
    if not is_image(options.image):
        raise refuse("image", options.image, "the name of an image")
    if not is_dns_label(options.namespace):
        raise refuse("namespace", options.namespace, "the name of a namespace")
    for secret in (*options.secrets, *options.image_pull_secrets):
        if not is_dns_subdomain(secret):
            raise refuse("secrets", secret, "the name of a secret")
    for option, pairs in (("labels", options.labels), ("node_selector", options.node_selector)):
        for name, value in pairs.items():
            if not is_label_value(value):
                raise refuse(
                    option, f"{name}={value}", "a value of at most 63 letters, digits, '-', '_', '.'"
                )


def _check_mounts(options: PodOptions, refuse: _Refuse) -> None:
    paths = list(options.claims.values())
    if options.tmpfs_mb is not None:
        paths.append(options.tmpfs_path)
    if options.shared_memory_mb is not None:
        paths.append("/dev/shm")  # noqa: S108 - where a pod has it
    for path in paths:
        if not path.startswith("/") or ":" in path or path.rstrip("/") == "":
            raise refuse("persistent_volume_claims", path, "an absolute path below /")
        if paths.count(path) > 1:
            raise refuse("persistent_volume_claims", path, "a path of its own: two volumes are mounted there")
