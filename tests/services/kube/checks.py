"""What the API server refuses and schemas cannot say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.services.kube.kinds import CONFIG_MAPS, JOBS, NAMESPACES, PODS, SECRETS, SERVICES, Kind
from tests.services.kube.objects import Object, annotations_of, labels_of
from tests.services.kube.quantity import parse_quantity

LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_LABEL_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
_KEY_NAME = re.compile(r"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$")
_ENV_NAME = re.compile(r"^[ -<>-~]+$")
_IMAGE = re.compile(r"^\S+$")
_DATA_KEY = re.compile(r"^[-._a-zA-Z0-9]+$")
_ANNOTATIONS_BYTES = 256 * 1024
_DATA_BYTES = 1024 * 1024


class Cause(NamedTuple):
    """Why an object is refused."""

    path: str
    message: str


def causes_of(kind: Kind, item: Object) -> list[Cause]:
    """Return all that is wrong with an object that its schema allows."""
    causes = list(_metadata(kind, item))
    if kind is PODS:
        causes += _pod(item["spec"], "spec", ("Always", "OnFailure", "Never"))
    elif kind is JOBS:
        causes += _job(item["spec"])
    elif kind in (CONFIG_MAPS, SECRETS):
        causes += _data(item)
    return causes


def _metadata(kind: Kind, item: Object) -> Iterator[Cause]:
    name = item["metadata"].get("name", "")
    short = kind in (NAMESPACES, SERVICES)
    yield from name_causes(name, "metadata.name", 63 if short else 253, short=short)
    for key, value in labels_of(item).items():
        yield from _qualified(key, "metadata.labels")
        yield from _label_value(value, f"metadata.labels[{key}]")
    for key in annotations_of(item):
        yield from _qualified(key, "metadata.annotations")
    if sum(len(key) + len(value) for key, value in annotations_of(item).items()) > _ANNOTATIONS_BYTES:
        yield Cause("metadata.annotations", "Too long: may not be more than 262144 bytes")


def name_causes(name: str, path: str, longest: int, *, short: bool = False) -> Iterator[Cause]:
    """Yield what is wrong with a name: of a subdomain, or a label if `short`."""
    if len(name) > longest:
        yield Cause(path, f'Invalid value: "{name}": must be no more than {longest} characters')
    if not (LABEL if short else SUBDOMAIN).match(name):
        form = "RFC 1123 label" if short else "RFC 1123 subdomain"
        yield Cause(
            path, f'Invalid value: "{name}": a lowercase {form} must consist of lower case alphanumeric...'
        )


def _qualified(key: str, path: str) -> Iterator[Cause]:
    prefix, _, name = key.rpartition("/")
    if not _KEY_NAME.match(name) or len(name) > 63:
        yield Cause(
            path, f'Invalid value: "{key}": name part must be 63 characters or less, alphanumeric, -, _ or .'
        )
    if "/" in key and (len(prefix) > 253 or not SUBDOMAIN.match(prefix)):
        yield Cause(path, f'Invalid value: "{key}": prefix part must be a lowercase RFC 1123 subdomain')


def _label_value(value: str, path: str) -> Iterator[Cause]:
    if len(value) > 63:
        yield Cause(path, f'Invalid value: "{value}": must be no more than 63 characters')
    elif not _LABEL_VALUE.match(value):
        yield Cause(path, f'Invalid value: "{value}": a valid label must be an empty string or consist of...')


def _pod(spec: Object, path: str, policies: tuple[str, ...]) -> Iterator[Cause]:
    containers = spec.get("containers") or []
    if not containers:
        yield Cause(f"{path}.containers", "Required value")
    policy = spec.get("restartPolicy", "Always")
    if policy not in policies:
        listed = ", ".join(f'"{one}"' for one in policies)
        yield Cause(f"{path}.restartPolicy", f'Unsupported value: "{policy}": supported values: {listed}')
    for field in ("hostname", "subdomain"):
        if spec.get(field):
            yield from name_causes(spec[field], f"{path}.{field}", 63, short=True)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        yield Cause(
            f"{path}.terminationGracePeriodSeconds", "Invalid value: must be greater than or equal to 0"
        )
    if spec.get("activeDeadlineSeconds", 1) < 1:
        yield Cause(
            f"{path}.activeDeadlineSeconds", "Invalid value: must be between 1 and 2147483647, inclusive"
        )
    for key, value in (spec.get("nodeSelector") or {}).items():
        yield from _label_value(value, f"{path}.nodeSelector[{key}]")
    for place, toleration in enumerate(spec.get("tolerations") or []):
        yield from _toleration(toleration, f"{path}.tolerations[{place}]")
    volumes = {volume["name"] for volume in spec.get("volumes") or []}
    for volume in volumes:
        yield from name_causes(volume, f"{path}.volumes.name", 63, short=True)
    yield from _containers(spec, path, volumes)


def _toleration(toleration: Object, path: str) -> Iterator[Cause]:
    operator, effect = toleration.get("operator", "Equal"), toleration.get("effect", "")
    if operator not in ("Exists", "Equal"):
        yield Cause(
            f"{path}.operator", f'Unsupported value: "{operator}": supported values: "Equal", "Exists"'
        )
    if operator == "Exists" and toleration.get("value"):
        yield Cause(f"{path}.operator", "Invalid value: value must be empty when `operator` is 'Exists'")
    if operator == "Equal" and not toleration.get("key"):
        yield Cause(f"{path}.operator", "Invalid value: operator must be Exists when `key` is empty")
    if effect not in ("", "NoSchedule", "PreferNoSchedule", "NoExecute"):
        yield Cause(f"{path}.effect", f'Unsupported value: "{effect}"')


def _containers(spec: Object, path: str, volumes: set[str]) -> Iterator[Cause]:
    names: set[str] = set()
    for field in ("initContainers", "containers"):
        for place, container in enumerate(spec.get(field) or []):
            here = f"{path}.{field}[{place}]"
            yield from name_causes(container["name"], f"{here}.name", 63, short=True)
            if container["name"] in names:
                yield Cause(f"{here}.name", f'Duplicate value: "{container["name"]}"')
            names.add(container["name"])
            yield from _container(container, here, volumes)


def _container(container: Object, path: str, volumes: set[str]) -> Iterator[Cause]:
    if not _IMAGE.match(container.get("image") or ""):
        yield Cause(
            f"{path}.image", "Required value" if not container.get("image") else "must not have whitespace"
        )
    if container.get("imagePullPolicy", "Always") not in ("Always", "IfNotPresent", "Never"):
        yield Cause(f"{path}.imagePullPolicy", f'Unsupported value: "{container["imagePullPolicy"]}"')
    for place, entry in enumerate(container.get("env") or []):
        if not _ENV_NAME.match(entry["name"]):
            yield Cause(f"{path}.env[{place}].name", f'Invalid value: "{entry["name"]}"')
        if entry.get("value") and entry.get("valueFrom"):
            yield Cause(f"{path}.env[{place}].valueFrom", "may not be specified when `value` is not empty")
    seen: set[str] = set()
    for place, mount in enumerate(container.get("volumeMounts") or []):
        if mount["name"] not in volumes:
            yield Cause(f"{path}.volumeMounts[{place}].name", f'Not found: "{mount["name"]}"')
        if mount["mountPath"] in seen:
            yield Cause(f"{path}.volumeMounts[{place}].mountPath", f'must be unique: "{mount["mountPath"]}"')
        seen.add(mount["mountPath"])
    yield from _resources(container.get("resources") or {}, f"{path}.resources")


def _resources(resources: Object, path: str) -> Iterator[Cause]:
    amounts: dict[str, dict[str, float]] = {"limits": {}, "requests": {}}
    for bound, found in amounts.items():
        for name, text in (resources.get(bound) or {}).items():
            here = f"{path}.{bound}[{name}]"
            try:
                found[name] = parse_quantity(str(text))
            except ValueError:
                yield Cause(here, f'quantities must match the regular expression, not "{text}"')
                continue
            if found[name] < 0:
                yield Cause(here, f'Invalid value: "{text}": must be greater than or equal to 0')
            if "/" in name and found[name] % 1:
                yield Cause(here, f'Invalid value: "{text}": must be an integer')
    yield from _requests_against_limits(amounts, path)


def _requests_against_limits(amounts: Mapping[str, Mapping[str, float]], path: str) -> Iterator[Cause]:
    limits, requests = amounts["limits"], amounts["requests"]
    for name, amount in requests.items():
        if name in limits and amount > limits[name]:
            yield Cause(f"{path}.requests", f"Invalid value: must be less than or equal to {name} limit")
        if "/" in name and limits.get(name) != amount:
            yield Cause(
                f"{path}.limits", f"Required value: Limit must be set and equal for non overcommitable {name}"
            )


def _job(spec: Object) -> Iterator[Cause]:
    for field in ("backoffLimit", "completions", "parallelism", "ttlSecondsAfterFinished"):
        if (spec.get(field) or 0) < 0:
            yield Cause(f"spec.{field}", f"Invalid value: {spec[field]}: must be greater than or equal to 0")
    mode = spec.get("completionMode", "NonIndexed")
    if mode not in ("NonIndexed", "Indexed"):
        yield Cause("spec.completionMode", f'Unsupported value: "{mode}"')
    if mode == "Indexed" and spec.get("completions") is None:
        yield Cause("spec.completions", 'Required value: when completion mode is "Indexed"')
    if spec.get("podFailurePolicy") and spec["template"]["spec"].get("restartPolicy") != "Never":
        yield Cause(
            "spec.template.spec.restartPolicy", 'only "Never" is supported when podFailurePolicy is specified'
        )
    template: dict[str, Any] = spec["template"]
    labels = template.get("metadata") or {}
    for key, value in (labels.get("labels") or {}).items():
        yield from _label_value(value, f"spec.template.metadata.labels[{key}]")
    yield from _pod(template["spec"], "spec.template.spec", ("OnFailure", "Never"))


def _data(item: Object) -> Iterator[Cause]:
    data = {**(item.get("data") or {}), **(item.get("binaryData") or {}), **(item.get("stringData") or {})}
    for key in data:
        if not _DATA_KEY.match(key) or len(key) > 253:
            yield Cause(
                f"data[{key}]", "Invalid value: a valid config key must consist of alphanumeric, -, _ or ."
            )
    if sum(len(str(value)) for value in data.values()) > _DATA_BYTES:
        yield Cause("data", f"Too long: may not be more than {_DATA_BYTES} bytes")
