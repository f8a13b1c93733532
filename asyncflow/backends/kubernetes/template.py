"""The user's own YAML, laid over the pods we make: `--k8s-template file.yaml`. Pure.

The file is a Pod, a PodTemplate, or just `metadata` and `spec`. Its mappings are merged into ours, its values win, and
`null` removes. Lists of things with names are merged by them, in our order, new ones at the end:

| list | merged by |
|---|---|
| containers, initContainers, volumes, env, imagePullSecrets, resourceClaims | `name` |
| volumeMounts | `mountPath` |
| volumeDevices | `devicePath` |
| ports | `containerPort` |
| hostAliases | `ip` |
| topologySpreadConstraints | `topologyKey` |
| tolerations, envFrom | added at the end |

Other lists (`command`, `args`, those inside affinities, ...) are replaced. The step's container is called `main`; other
containers are sidecars. What makes a pod ours cannot be changed: its name, labels and annotations that begin with
`asyncflow/`, `restartPolicy`, and what `main` runs (`command`, `args`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from asyncflow.backends.kubernetes.errors import BadTemplate
from asyncflow.backends.kubernetes.names import CONTAINER, PREFIX
from asyncflow.backends.kubernetes.parts import Json, part

__all__ = ["Overlay", "lay_over", "parse_template"]

Overlay = Json
"""`metadata` and `spec` of a pod, both or one of them."""

_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "resourceClaims": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
}
_ADDED = ("tolerations", "envFrom")
_KINDS = ("Pod", "PodTemplate", "PodTemplateSpec", None)
_PARTS = ("metadata", "spec")
_METADATA = ("labels", "annotations")


def parse_template(text: str, *, where: str = "--k8s-template") -> Overlay:
    """Read a template.

    Raises:
        BadTemplate: It is no YAML, no pod, or changes what makes a pod ours.
    """
    import yaml  # only for those who have a template; comes with kubernetes-asyncio

    try:
        read: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadTemplate(f"The template cannot be read: {error}", where=where) from error
    if read is None:
        return {}
    if not isinstance(read, Mapping):
        raise BadTemplate(
            "The template is no mapping", where=where, hint="It has `metadata` and `spec`, as a Pod."
        )
    given = _pod(cast("Json", read), where)
    _check(given, where)
    return given


def lay_over(pod: Json, overlay: Overlay) -> dict[str, Any]:  # Any: JSON
    """Return a pod with the overlay's changes. Neither argument is changed."""
    return _merged(pod, overlay)


def _pod(given: Json, where: str) -> Overlay:
    kind = given.get("kind")
    if kind not in _KINDS:
        raise BadTemplate(
            f"The template is a {kind}", where=where, hint="Give a Pod, or just its metadata and spec."
        )
    inner = given.get("template")
    if kind == "PodTemplate" and isinstance(inner, Mapping):
        given = cast("Json", inner)
    parts = {name: value for name, value in given.items() if name not in ("apiVersion", "kind", "status")}
    unknown = [name for name in parts if name not in _PARTS]
    if unknown:
        raise BadTemplate(
            f"The template has '{unknown[0]}', which a pod has not",
            where=where,
            hint="It has `metadata` and `spec`, as a Pod.",
        )
    return parts


def _check(given: Overlay, where: str) -> None:
    for name in _PARTS:
        if not isinstance(given.get(name, {}), Mapping):
            raise BadTemplate(f"The template's {name} is no mapping", where=where)
    for name, value in cast("Json", given.get("metadata", {})).items():
        if name not in _METADATA:
            raise BadTemplate(f"The template sets metadata.{name}, which is asyncflow's", where=where)
        ours = [key for key in value or () if str(key).startswith(PREFIX)]
        if ours:
            raise BadTemplate(f"The template sets {name} {ours[0]}, which is asyncflow's", where=where)
    spec = cast("Json", given.get("spec", {}))
    if "restartPolicy" in spec:
        raise BadTemplate(
            "The template sets spec.restartPolicy, which is Never",
            where=where,
            hint="Use @retry to try again.",
        )
    _check_lists(spec, "spec", where)
    for container in spec.get("containers") or ():
        changed = [name for name in ("command", "args") if name in container]
        if container["name"] == CONTAINER and changed:
            raise BadTemplate(f"The template sets {changed[0]} of container '{CONTAINER}'", where=where)


def _check_lists(within: Json, path: str, where: str) -> None:
    for name, value in within.items():
        if name in (*_KEYS, *_ADDED) and not isinstance(value, list | None):
            raise BadTemplate(f"The template's {path}.{name} is no list", where=where)
        if name not in _KEYS or value is None:
            continue
        key = _KEYS[name]
        for number, item in enumerate(cast("Sequence[object]", value)):
            if not isinstance(item, Mapping) or key not in item:
                raise BadTemplate(f"The template's {path}.{name}[{number}] has no '{key}'", where=where)
            _check_lists(cast("Json", item), f"{path}.{name}[{number}]", where)


def _merged(base: Json, over: Json) -> dict[str, Any]:  # Any: JSON
    made = dict(base)
    for name, value in over.items():
        if value is None:
            made.pop(name, None)
        elif isinstance(value, Mapping):
            made[name] = _merged(part(made, name), cast("Json", value))
        elif name in _KEYS:
            made[name] = _by_key(made.get(name) or (), value, _KEYS[name])
        elif name in _ADDED:
            made[name] = [*(made.get(name) or ()), *value]
        else:
            made[name] = value
    return made


def _by_key(
    base: Sequence[Json],
    over: Sequence[Json],
    key: str,
) -> list[dict[str, Any]]:  # Any: JSON
    changes = {item[key]: item for item in over}
    made = [_entry(item, changes.pop(item[key], {})) for item in base]
    return made + [_merged({}, item) for item in changes.values()]


def _entry(base: Json, over: Json) -> dict[str, Any]:  # Any: JSON
    """Merge one entry; one that says where its value comes from replaces the value itself."""
    if "valueFrom" in over or "value" in over:
        base = {name: value for name, value in base.items() if name not in ("value", "valueFrom")}
    return _merged(base, over)
