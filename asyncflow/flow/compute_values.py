"""What options of `@kubernetes` may look like: texts `a=b,c=d` and JSON stand for mappings and lists. Pure.

The decorator reads its arguments with these; the backend the settings (`METAFLOW_KUBERNETES_NODE_SELECTOR`, ...) that
stand for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

__all__ = [
    "is_dns_label",
    "is_dns_subdomain",
    "is_image",
    "is_label_name",
    "is_label_value",
    "mapping_of",
    "names_of",
    "tolerations_of",
]

_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_DNS_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d+)?/)?"  # registry
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[+._-][A-Za-z0-9]+)*:[0-9a-fA-F]{32,})?"
)
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_OPERATORS = ("Exists", "Equal", "Lt", "Gt")
_TOLERATION_FIELDS = ("key", "operator", "value", "effect", "tolerationSeconds")


def mapping_of(given: object) -> dict[str, str] | None:
    """Read a mapping, a JSON object, or `a=b,c=d`. None: it is none of them."""
    if given is None:
        return {}
    if isinstance(given, str):
        text = given.strip()
        if text.startswith("{"):
            return mapping_of(_json(text) or 0)
        pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
        whole = all(equals for _, equals, _ in pairs)
        return {name.strip(): value.strip() for name, _, value in pairs} if whole else None
    if not isinstance(given, Mapping):
        return None
    pairs = cast("Mapping[object, object]", given).items()
    if any(isinstance(value, Mapping | list | tuple) for _, value in pairs):
        return None
    return {str(name): _text(value) for name, value in pairs}


def names_of(given: object) -> list[str] | None:
    """Read a list of names, a JSON list, or `a,b`. None: it is neither."""
    if given is None:
        return []
    if isinstance(given, str):
        text = given.strip()
        if text.startswith("["):
            return names_of(_json(text) or 0)
        return [name.strip() for name in text.split(",") if name.strip()]
    if not isinstance(given, Sequence):
        return None
    names = list(cast("Sequence[object]", given))
    return [str(name) for name in names] if all(isinstance(name, str) for name in names) else None


def tolerations_of(given: object) -> list[dict[str, Any]] | str:  # Any: texts and a number of seconds
    """Read a list of tolerations, or JSON of one. A text back says what is wrong with it."""
    if given is None or given == "":
        return []
    if isinstance(given, str):
        given = _json(given)
        if given is None:
            return "JSON"
    if isinstance(given, Mapping):
        given = [cast("object", given)]
    if not isinstance(given, Sequence) or isinstance(given, bytes):
        return "a list of tolerations"
    tolerations: list[dict[str, Any]] = []
    for one in cast("Sequence[object]", given):
        if not isinstance(one, Mapping):
            return "a list of mappings"
        fields = {str(name): value for name, value in cast("Mapping[object, Any]", one).items()}
        wrong = _complaint(fields)
        if wrong:
            return wrong
        tolerations.append(fields)
    return tolerations


def _complaint(fields: Mapping[str, Any]) -> str:  # Any: see above
    unknown = [name for name in fields if name not in _TOLERATION_FIELDS]
    if unknown:
        return f"made of {', '.join(_TOLERATION_FIELDS)} ({unknown[0]!r} is none of them)"
    if fields.get("operator", "Equal") not in _OPERATORS:
        return f"with an operator of {', '.join(_OPERATORS)}"
    if fields.get("effect", "NoSchedule") not in (*_EFFECTS, ""):
        return f"with an effect of {', '.join(_EFFECTS)}"
    if not fields.get("key") and fields.get("operator") != "Exists":
        return "with a key (only operator Exists goes without one)"
    if fields.get("operator") == "Exists" and fields.get("value"):
        return "without a value where the operator is Exists"
    seconds = fields.get("tolerationSeconds", 0)
    return (
        ""
        if isinstance(seconds, int) and not isinstance(seconds, bool)
        else "with tolerationSeconds a number"
    )


def is_dns_label(name: str) -> bool:
    """Whether a namespace or a host may be called so."""
    return bool(_DNS_LABEL.fullmatch(name))


def is_dns_subdomain(name: str) -> bool:
    """Whether a secret, a service account or a claim may be called so."""
    return len(name) <= 253 and bool(_DNS_SUBDOMAIN.fullmatch(name))


def is_label_name(name: str) -> bool:
    """Whether a label or an annotation may be called so: `prefix.example/name` or `name`."""
    prefix, slash, rest = name.rpartition("/")
    return bool(rest) and bool(_LABEL_VALUE.fullmatch(rest)) and (not slash or is_dns_subdomain(prefix))


def is_label_value(value: str) -> bool:
    """Whether a label may have this value."""
    return bool(_LABEL_VALUE.fullmatch(value))


def is_image(name: str) -> bool:
    """Whether it may be an image's name, as `registry:port/path/name:tag@sha256:digest`."""
    return bool(_IMAGE.fullmatch(name))


def _json(text: str) -> Any:  # Any: what JSON can say; None: it is no JSON
    import json  # only for values given as JSON

    try:
        return json.loads(text)
    except ValueError:
        return None


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
