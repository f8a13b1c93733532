"""Whether a pod fits a cluster's nodes. Pure; says what the scheduler would say of an empty cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from asyncflow.backends.kubernetes.options import PodOptions
from asyncflow.backends.kubernetes.parts import Json, many, part

__all__ = ["amount", "why_no_node"]

_SUFFIXES = {
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
    "Pi": 2.0**50,
}


def why_no_node(options: PodOptions, nodes: Sequence[Json]) -> str:
    """Return why a step's pods fit none of the nodes, in words; empty: one fits them."""
    if not nodes:
        return "the cluster has no nodes"
    selected = [node for node in nodes if _is_selected(node, options.node_selector)]
    if not selected:
        wanted = ", ".join(f"{name}={value}" for name, value in options.node_selector.items())
        return f"no node of {len(nodes)} has {wanted}"
    tolerated = [node for node in selected if not _untolerated(node, options.tolerations)]
    if not tolerated:
        taints = dict.fromkeys(
            taint for node in selected for taint in _untolerated(node, options.tolerations)
        )
        return f"all {len(selected)} nodes have taints that it does not tolerate: {', '.join(taints)}"
    shortages = [_shortages(node, options) for node in tolerated]
    if not all(shortages):
        return ""
    fewest = min(shortages, key=len)
    return f"no node of {len(tolerated)} is large enough: it asks for {', '.join(fewest)}"


def amount(quantity: object) -> float:
    """Return a quantity of Kubernetes (`500m`, `4Gi`, `1e3`) as a number; 0.0 for what is none."""
    text = str(quantity).strip()
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if text.endswith(suffix):
            return _number(text[: -len(suffix)]) * _SUFFIXES[suffix]
    return _number(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _is_selected(node: Json, wanted: Mapping[str, str]) -> bool:
    labels = part(node, "metadata", "labels")
    return all(labels.get(name) == value for name, value in wanted.items())


def _untolerated(node: Json, tolerations: Sequence[Json]) -> list[str]:
    taints = [one for one in many(node, "spec", "taints") if one.get("effect") != "PreferNoSchedule"]
    return [
        f"{taint.get('key')}:{taint.get('effect')}"
        for taint in taints
        if not any(_tolerates(toleration, taint) for toleration in tolerations)
    ]


def _tolerates(toleration: Json, taint: Json) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("operator") == "Exists":
        return not toleration.get("key") or toleration["key"] == taint.get("key")
    return toleration.get("key") == taint.get("key") and toleration.get("value", "") == taint.get("value", "")


def _shortages(node: Json, options: PodOptions) -> list[str]:
    there = part(node, "status", "allocatable")
    wanted = {
        "cpu": options.cpu,
        "memory": options.memory_mb * 1e6,
        "ephemeral-storage": options.disk_mb * 1e6,
        **{name: amount(value) for name, value in options.gpus.items()},
    }
    shown = {"cpu": f"{options.cpu:g}", "memory": f"{options.memory_mb:g} MB"}
    shown |= {"ephemeral-storage": f"{options.disk_mb:g} MB", **options.gpus}
    return [
        f"{name} {shown[name]} (at most {there.get(name, 'none')})"
        for name, value in wanted.items()
        if (name in there or name in options.gpus) and amount(there.get(name, 0)) < value
    ]
