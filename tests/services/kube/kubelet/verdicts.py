"""Why a pod is stopped, and what it then says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from tests.services.kube.orders import Order, Trouble

DISRUPTED = "DisruptionTarget"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A decision to stop a pod."""

    phase: str = ""
    """Empty: as its containers ended."""
    reason: str = ""
    message: str = ""
    disruption: str = ""
    """Reason of the condition DisruptionTarget; empty: none."""
    removes: bool = False
    """Whether the pod is deleted in the end."""
    is_silent: bool = False
    """Whether its node cannot tell what becomes of the containers."""


DELETED = Verdict(removes=True)
DEADLINE = Verdict(
    phase="Failed",
    reason="DeadlineExceeded",
    message="Pod was active on the node longer than the specified deadline",
)


def of_order(order: Order, node: str) -> Verdict:
    """Return what an ordered fault means for a pod that runs."""
    match order.trouble:
        case Trouble.EVICTED:
            return Verdict(
                phase="Failed",
                reason="Evicted",
                message=order.word(
                    "message", "The node was low on resource: memory. Threshold quantity: 100Mi."
                ),
                disruption="TerminationByKubelet",
            )
        case Trouble.PREEMPTED:
            return Verdict(
                disruption="PreemptionByScheduler",
                message="default-scheduler: preempting to accommodate a higher priority pod",
                removes=True,
            )
        case Trouble.SHUT_DOWN:
            return Verdict(
                phase="Failed",
                reason="Terminated",
                message="Pod was terminated in response to imminent node shutdown.",
                disruption="TerminationByKubelet",
            )
        case _:
            return of_lost_node(node, removes=order.word("then", "deleted") == "deleted")


def of_lost_node(node: str, *, removes: bool) -> Verdict:
    """Return what it means for a pod that its node is gone."""
    if removes:
        return Verdict(
            phase="Failed",
            disruption="DeletionByTaintManager",
            message="Taint manager: deleting due to NoExecute taint",
            removes=True,
            is_silent=True,
        )
    return Verdict(
        phase="Failed",
        reason="NodeLost",
        message=f"Node {node} which was running the pod is unresponsive",
        is_silent=True,
    )
