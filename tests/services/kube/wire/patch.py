"""Patches: merge, strategic merge and JSON patch."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tests.services.kube.objects import ApiError, Object

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"

_MERGE_KEYS: Mapping[str, str] = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "conditions": "type",
    "imagePullSecrets": "name",
    "ownerReferences": "uid",
    "secrets": "name",
    "taints": "key",
    "addresses": "type",
}
"""Lists whose elements have a name, by which a strategic merge finds them. Others are replaced as a whole."""
_SETS = ("finalizers",)
"""Lists that a strategic merge adds to."""


def apply_patch(
    content_type: str, item: Object, patch: Any
) -> Object:  # Any: a mapping, or a list of operations
    """Return the patched object.

    Raises:
        ApiError: 415, a patch of another kind; 422, one that does not fit.
    """
    kind = content_type.partition(";")[0].strip()
    if kind == MERGE:
        merged: Object = _merge(item, patch)
        return merged
    if kind == STRATEGIC:
        return _strategic(item, patch)
    if kind == JSON_PATCH:
        return _json_patch(deepcopy(item), patch)
    raise ApiError(
        415, f"the body of the request was in an unknown format - accepted media types include: {MERGE}"
    )


def _merge(old: Any, patch: Any) -> Any:  # Any: JSON
    if not isinstance(patch, dict):
        return deepcopy(patch)
    merged = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


def _strategic(old: Object, patch: Object) -> Object:
    merged = dict(old)
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = _strategic_mapping(merged.get(key), value)
        elif isinstance(value, list):
            merged[key] = _strategic_list(key, merged.get(key) or [], value)
        else:
            merged[key] = value
    for key in [key for key in patch if key.startswith("$deleteFromPrimitiveList/")]:
        name = key.partition("/")[2]
        merged[name] = [one for one in merged.get(name) or [] if one not in patch[key]]
    return merged


def _strategic_mapping(old: Any, patch: Object) -> Object:  # Any: JSON
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    return _strategic(old if isinstance(old, dict) else {}, patch)


def _strategic_list(key: str, old: list[Any], patch: list[Any]) -> list[Any]:
    if key in _SETS:
        return [*old, *(one for one in patch if one not in old)]
    name = _MERGE_KEYS.get(key)
    if name is None or not all(isinstance(one, dict) and (name in one or "$patch" in one) for one in patch):
        return deepcopy(patch)
    if any(one.get("$patch") == "replace" for one in patch):
        return [one for one in patch if "$patch" not in one]
    merged = {one.get(name): one for one in old}
    for one in patch:
        if one.get("$patch") == "delete":
            merged.pop(one[name], None)
        else:
            merged[one[name]] = _strategic(merged.get(one[name], {}), one)
    return list(merged.values())


def _json_patch(item: Object, operations: list[Object]) -> Object:
    root: Any = {"": item}
    for operation in operations:
        *way, last = ["", *map(_unescape, operation["path"].split("/")[1:])]
        try:
            place = root
            for part in way:
                place = place[int(part)] if isinstance(place, list) else place[part]
            _operate(operation, place, last)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise ApiError(
                422, f"the server rejected our request due to an error in our request: {error}"
            ) from error
    patched: Object = root[""]
    return patched


def _operate(operation: Object, place: Any, last: str) -> None:  # Any: a mapping or list
    match operation["op"]:
        case "add" if isinstance(place, list):
            place.insert(len(place) if last == "-" else int(last), operation["value"])
        case "add":
            place[last] = operation["value"]
        case "replace":
            key: Any = int(last) if isinstance(place, list) else last
            _ = place[key]
            place[key] = operation["value"]
        case "remove":
            del place[int(last) if isinstance(place, list) else last]
        case "test":
            if place[int(last) if isinstance(place, list) else last] != operation["value"]:
                raise ValueError("testing value failed")
        case other:
            raise ValueError(f"unknown operation {other}")


def _unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
