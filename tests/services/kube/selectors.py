"""Label and field selectors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.services.kube.kinds import EVENTS, JOBS, PODS, Kind
from tests.services.kube.objects import ApiError, Object, at_path, labels_of

Predicate = Callable[[Object], bool]

_SET = re.compile(r"^\s*(!?)\s*([\w./-]+)\s*(?:(?:(notin|in)\s*\(([^()]*)\))|(==|!=|=)\s*([\w.-]*))?\s*$")
_TERMS = re.compile(r"(?:[^,(]|\([^)]*\))+")
_FIELDS: Mapping[Kind, tuple[str, ...]] = {
    PODS: (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    EVENTS: (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.fieldPath",
        "involvedObject.resourceVersion",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    JOBS: ("status.successful",),
}


def everything(_item: Object) -> bool:
    """Match all objects."""
    return True


def parse_selectors(kind: Kind, labels: str, fields: str) -> Predicate:
    """Return what tells whether an object is selected.

    Raises:
        ApiError: 400, for a selector that cannot be read or a field that cannot be selected by.
    """
    tests = [_label_term(term) for term in _TERMS.findall(labels)]
    tests += [_field_term(kind, term) for term in fields.split(",") if term]
    if not tests:
        return everything
    return lambda item: all(test(item) for test in tests)


def _label_term(term: str) -> Predicate:
    found = _SET.match(term)
    if found is None:
        raise ApiError(400, f"unable to parse requirement: {term!r}")
    absent, key, word, listed, sign, value = found.groups()
    if word:
        values = {one.strip() for one in listed.split(",")}
        if word == "in":
            return lambda item: labels_of(item).get(key) in values
        return lambda item: labels_of(item).get(key) not in values
    if sign in ("=", "=="):
        return lambda item: labels_of(item).get(key) == value
    if sign == "!=":
        return lambda item: labels_of(item).get(key) != value
    if absent:
        return lambda item: key not in labels_of(item)
    return lambda item: key in labels_of(item)


def _field_term(kind: Kind, term: str) -> Predicate:
    path, sign, value = re.match(r"^([^=!]*)(==|!=|=)?(.*)$", term).groups()  # type: ignore[union-attr]
    if not sign:
        raise ApiError(400, f"invalid field selector: {term!r}")
    if path not in ("metadata.name", "metadata.namespace", *_FIELDS.get(kind, ())):
        raise ApiError(400, f'field label not supported: "{path}"')
    if sign == "!=":
        return lambda item: _text(at_path(item, path)) != value
    return lambda item: _text(at_path(item, path)) == value


def _text(value: Any) -> str:  # Any: whatever stands at a path
    return "" if value is None else str(value)


def matches_label_selector(selector: Object | None, item: Object) -> bool:
    """Whether a selector as written in a spec (`matchLabels`) selects an object."""
    wanted = (selector or {}).get("matchLabels") or {}
    labels = labels_of(item)
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())
