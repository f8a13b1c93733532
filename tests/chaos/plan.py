"""What a round does, all drawn from its seed: which flow, whom to kill, when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from tests.chaos.shapes import Shape

__all__ = ["Plan", "Strike", "Victim", "plan_of"]

HEALING = ("--with", "retry:times=40,minutes_between_retries=0")
"""Options that let a flow without rules of its own come through the death of a task."""


class Victim(StrEnum):
    """Who is killed."""

    SCHEDULER = "scheduler"
    ZYGOTE = "zygote"
    TASK = "task"


@dataclass(frozen=True, slots=True)
class Strike:
    """One kill to come."""

    victim: Victim
    when: float
    """As a share of the time an undisturbed run takes from its birth on, counted from there or the strike before.

    Below zero: during the start of the command, as a share of the time that takes."""
    pick: float
    """Which of several: a share of their number."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One round."""

    seed: int
    shape: Shape
    strikes: tuple[Strike, ...]
    is_shared: bool
    """In a store that other rounds use at the same time."""
    is_hasty: bool
    """Resume at once, not only when everything of the killed run is gone."""
    options: tuple[str, ...] = ()
    """More options of `run`."""

    @property
    def heals(self) -> bool:
        """Whether the death of a task must not end the run."""
        return self.shape.heals or self.options == HEALING


def plan_of(seed: int, shapes: Sequence[Shape]) -> Plan:
    """Draw a round from its seed."""
    random = Random(seed)
    shape = random.choice(list(shapes))
    strikes = [_strike(random, 0)]
    while len(strikes) < 5 and random.random() < 0.45:
        strikes.append(_strike(random, len(strikes)))
    if shape.leaves_processes:
        strikes = _without_double_deaths(strikes)
    options = HEALING if not shape.heals and random.random() < 0.4 else ()
    return Plan(seed, shape, tuple(strikes), random.random() < 0.4, random.random() < 0.5, options)


def _without_double_deaths(strikes: list[Strike]) -> list[Strike]:
    """Let no scheduler die right after its zygote.

    Between the two deaths nobody may have been left to find a process that has shed parent, session, name and
    environment. That is the one thing that is not promised.
    """
    kept: list[Strike] = []
    for strike in strikes:
        is_second = kept and kept[-1].victim is Victim.ZYGOTE and strike.victim is Victim.SCHEDULER
        kept.append(replace(strike, victim=Victim.ZYGOTE) if is_second else strike)
    return kept


def _strike(random: Random, position: int) -> Strike:
    victim = random.choices(list(Victim), weights=(5, 3, 3))[0]
    longest = 1.05 if position == 0 else 0.8
    when = random.uniform(0.0, longest) if random.random() < 0.88 else -random.random()
    return Strike(victim, when, random.random())
