"""Resource quotas: what a namespace may ask for in all."""

from __future__ import annotations

from tests.services.kube.kinds import PODS, QUOTAS
from tests.services.kube.objects import Object, name_of, namespace_of
from tests.services.kube.quantity import parse_quantity
from tests.services.kube.scheduler import ENDED
from tests.services.kube.store import Store


def usage(store: Store, namespace: str) -> dict[str, str]:
    """Return what a namespace's pods that have not ended ask for, by the names that quotas use."""
    used: dict[str, float] = {}
    for pod in store.all(PODS, namespace):
        if pod.item["status"].get("phase") not in ENDED:
            for name, amount in _asked(pod.item).items():
                used[name] = used.get(name, 0.0) + amount
    return {name: f"{amount:g}" for name, amount in used.items()}


def refusal_by(store: Store, pod: Object) -> str:
    """Return why a quota refuses a pod; empty if none does."""
    for quota in store.all(QUOTAS, namespace_of(pod)):
        hard = quota.item["spec"].get("hard") or {}
        asked, used = _asked(pod), usage(store, namespace_of(pod))
        over = []
        for name, bound in hard.items():
            if _is_missing(name, asked):
                return (
                    f"failed quota: {name_of(quota.item)}: must specify {name} for: {_first_container(pod)}"
                )
            if asked.get(name, 0.0) + parse_quantity(used.get(name, "0")) > parse_quantity(str(bound)):
                over.append((name, f"{asked.get(name, 0.0):g}", used.get(name, "0"), str(bound)))
        if over:
            requested, taken, limited = (
                ",".join(f"{one[0]}={one[place]}" for one in over) for place in (1, 2, 3)
            )
            return f"exceeded quota: {name_of(quota.item)}, requested: {requested}, used: {taken}, limited: {limited}"
    return ""


def _is_missing(name: str, asked: dict[str, float]) -> bool:
    return name not in asked and (name in ("cpu", "memory") or name.startswith(("requests.", "limits.")))


def _first_container(pod: Object) -> str:
    return str(pod["spec"]["containers"][0]["name"])


def _asked(pod: Object) -> dict[str, float]:
    asked = {"pods": 1.0, "count/pods": 1.0}
    for container in pod["spec"]["containers"]:
        resources = container.get("resources") or {}
        for bound in ("requests", "limits"):
            for name, text in (resources.get(bound) or {}).items():
                names = [f"{bound}.{name}", name] if bound == "requests" else [f"{bound}.{name}"]
                for one in names:
                    asked[one] = asked.get(one, 0.0) + parse_quantity(str(text))
    return asked
