"""Quantities as Kubernetes writes them: `100m`, `2`, `1.5Gi`."""

from __future__ import annotations

import re
from functools import lru_cache

from tests.services.kube.objects import Object

_FORM = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E))?$")
_FACTORS = {
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
    **{f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", start=1)},
}


@lru_cache(maxsize=4096)
def parse_quantity(text: str) -> float:
    """Return a quantity's value.

    Raises:
        ValueError: It is none.
    """
    found = _FORM.match(text)
    if found is None:
        raise ValueError(text)
    number, exponent, suffix = found.groups()
    return float(number + (exponent or "")) * _FACTORS.get(suffix, 1.0)


def requests_of(pod: Object) -> dict[str, float]:
    """Return what a pod asks its node for, by resource: the sum of its containers, or its largest init container."""
    asked: dict[str, float] = {"pods": 1.0}
    for container in pod["spec"].get("containers") or []:
        for name, value in _requests(container).items():
            asked[name] = asked.get(name, 0.0) + value
    for container in pod["spec"].get("initContainers") or []:
        for name, value in _requests(container).items():
            asked[name] = max(asked.get(name, 0.0), value)
    return asked


def _requests(container: Object) -> dict[str, float]:
    resources = container.get("resources") or {}
    told = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: parse_quantity(str(value)) for name, value in told.items()}
