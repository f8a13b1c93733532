"""Permits of limits that all runs on this machine share: how many the run should hold, and what it is told of them.

The driver gets permits and gives them back; the machine says how many it has a use for, and starts an attempt only
when every permit of its step is at hand. A permit for an attempt at a time comes back when the attempt ends and may be
used again; a permit to start is used up by the start. A run asks for no more than it could start now, one at least
for a step that waits and has none: otherwise steps without limits, which need not ask, would take every slot that
comes free.

The permits of a step are got one after another in an order that is the same for all runs. What is held of a later one
without use for it, as an earlier one is lacking, is given back. So runs never wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Mapping

from asyncflow.machine.events import FactIgnored, PermitsGranted, PermitsReturned
from asyncflow.machine.facts import LimiterGranted, LimiterRecalled
from asyncflow.machine.state import UNITS, RunState
from asyncflow.machine.turn import TurnUnderWay

__all__ = ["lower_permits", "permits_held", "permits_spare", "permits_wanted", "raise_permits"]


def raise_permits(turn: TurnUnderWay, fact: LimiterGranted) -> None:
    """Record permits that were given; `settle` makes use of them."""
    why = _why_odd(turn.state, fact)
    if why is None:
        turn.emit(PermitsGranted(at=turn.at, cause=turn.cause, permit=fact.permit, count=fact.count))
    else:
        _ignore(turn, fact, why)


def lower_permits(turn: TurnUnderWay, fact: LimiterRecalled) -> None:
    """Record that there are fewer permits; those in use are given back as their attempts end."""
    count = min(fact.count, turn.state.granted.get(fact.permit, 0))
    why = _why_odd(turn.state, fact) or (None if count else f"the run holds no permit of {fact.permit}")
    if why is None:
        turn.emit(PermitsReturned(at=turn.at, cause=turn.cause, permit=fact.permit, count=count))
    else:
        _ignore(turn, fact, why)


def permits_wanted(state: RunState) -> Mapping[str, int]:
    """Say how many more permits the run should be given, by `Permit.id`; what is not named is not wanted.

    None of those that are being recalled: running attempts use them still.
    """
    useful = _useful(state)
    wanted: dict[str, int] = {}
    for permit, limit in state.permit_limits.items():
        in_use, granted = state.in_use.get(permit, 0), state.granted.get(permit, 0)
        lacking = min(in_use + useful[permit], limit) - granted
        if lacking > 0 and granted >= in_use:
            wanted[permit] = lacking
    return wanted


def permits_spare(state: RunState) -> Mapping[str, int]:
    """Say how many of the permits it holds the run has no use for, by `Permit.id`."""
    useful = _useful(state)
    spare: dict[str, int] = {}
    for permit in state.permit_limits:
        free = state.granted.get(permit, 0) - state.in_use.get(permit, 0)
        if free > useful[permit]:
            spare[permit] = free - useful[permit]
    return spare


def permits_held(state: RunState) -> Mapping[str, int]:
    """Say how many permits the driver has to hold for the run, those of running attempts included."""
    return {
        permit: max(state.granted.get(permit, 0), state.in_use.get(permit, 0))
        for permit in state.permit_limits
    }


def _useful(state: RunState) -> dict[str, int]:
    """Count the attempts that could start now if they had the permit, by `Permit.id`."""
    useful = dict.fromkeys(state.permit_limits, 0)
    if state.stopping is not None or state.is_over:
        return useful
    free = {permit: state.granted.get(permit, 0) - state.in_use.get(permit, 0) for permit in useful}
    slots = state.free_slots()
    for step, permits in state.permits.items():
        least = 0 if any(permit.id in state.in_use for permit in permits) else 1
        count = min(
            _waiting(state, step), max(least, slots[state.graph.steps[step].pool]), _fitting(state, step)
        )
        for permit in permits:
            useful[permit.id] += count
            count = max(0, min(count, free[permit.id]))
            free[permit.id] -= count
    return useful


def _waiting(state: RunState, step: str) -> int:
    return len(state.ready.get(step, ())) + sum(state.unborn.get(split, 0) for split in state.feeders[step])


def _fitting(state: RunState, step: str) -> int:
    """Count the attempts for which there are resources now, one at least: its turn will come."""
    limits = state.limits
    capacity = (limits.cpu, limits.memory_mb, limits.gpu)
    rooms = [
        (round(total * scale) - used) // need
        for total, scale, used, need in zip(capacity, UNITS, state.used, state.needs[step], strict=True)
        if total is not None and need
    ]
    return max(1, min(rooms, default=limits.slots + limits.async_slots + limits.remote_slots))


def _why_odd(state: RunState, fact: LimiterGranted | LimiterRecalled) -> str | None:
    if fact.permit not in state.permit_limits:
        return f"no step has the limit {fact.permit}"
    return None if fact.count > 0 else f"{fact.count} permits are none"


def _ignore(turn: TurnUnderWay, fact: LimiterGranted | LimiterRecalled, why: str) -> None:
    turn.emit(FactIgnored(at=turn.at, cause=turn.cause, fact=type(fact).__name__, why=why))
