"""Whether a step's pods fit a node."""

from __future__ import annotations

from typing import Any

import pytest

from asyncflow.backends.kubernetes.nodes import amount, why_no_node
from asyncflow.backends.remote.platform import Size
from tests.unit.backends.kubernetes.jobs import job, resolved


def node(
    cpu: str = "4", memory: str = "16Gi", labels: Any = None, taints: Any = (), **more: str
) -> dict[str, Any]:
    return {
        "metadata": {"name": "n", "labels": labels or {}},
        "spec": {"taints": list(taints)},
        "status": {"allocatable": {"cpu": cpu, "memory": memory, "ephemeral-storage": "100Gi", **more}},
    }


def why(*nodes: dict[str, Any], **given: Any) -> str:
    return why_no_node(
        resolved(job(size=given.pop("size", Size(cpu=2.0, memory_mb=8000.0)), options=given)), nodes
    )


TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


def test_a_step_that_fits_has_no_reason_not_to() -> None:
    assert why(node()) == ""
    assert why(node(cpu="1"), node()) == ""
    assert why(node(taints=[{"key": "x", "effect": "PreferNoSchedule"}])) == ""


@pytest.mark.parametrize(
    ("nodes", "given", "words"),
    [
        ([], {}, "no nodes"),
        ([node()], {"node_selector": "disk=ssd"}, "has disk=ssd"),
        ([node(cpu="1")], {}, "cpu 2 (at most 1)"),
        ([node(memory="4Gi")], {}, "memory 8000 MB (at most 4Gi)"),
        ([node()], {"gpu": 1}, "nvidia.com/gpu 1 (at most none)"),
        ([node(taints=[TAINT])], {}, "gpu:NoSchedule"),
        ([node(taints=[TAINT])], {"tolerations": [{"key": "gpu", "value": "no"}]}, "gpu:NoSchedule"),
    ],
)
def test_why_no_node_fits_is_told(nodes: list[dict[str, Any]], given: dict[str, Any], words: str) -> None:
    assert words in why(*nodes, **given)


@pytest.mark.parametrize(
    "toleration",
    [
        {"key": "gpu", "value": "yes"},
        {"key": "gpu", "operator": "Exists"},
        {"operator": "Exists"},
        {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
    ],
)
def test_a_taint_may_be_tolerated(toleration: dict[str, Any]) -> None:
    assert why(node(taints=[TAINT]), tolerations=[toleration]) == ""


@pytest.mark.parametrize(
    ("quantity", "number"),
    [("500m", 0.5), ("4", 4.0), ("1k", 1000.0), ("2Mi", 2097152.0), ("1e3", 1000.0), ("", 0.0), ("x", 0.0)],
)
def test_quantities_are_read(quantity: str, number: float) -> None:
    assert amount(quantity) == number
