"""The long form: thousands of seeds of every weather. `python -m tests.property --seeds 10000`."""

from __future__ import annotations

import sys
import time
from random import Random

import click

from asyncflow.machine.events import RunStatus, TaskFailed
from tests.property.flows import expected, random_flow
from tests.property.world import Weather, World

WEATHERS = {
    "fair": Weather(),
    "crashes": Weather(our_fault=0.1, crash=0.15),
    "rough": Weather(
        failure=0.15, loss=0.1, our_fault=0.1, repeat=0.1, crash=0.05, limits=0.03, recall=0.05, delay=0.2
    ),
    "cancelled": Weather(failure=0.05, cancel=0.05, crash=0.05, repeat=0.1, delay=0.2),
}


@click.command()
@click.option("--seeds", default=10_000, show_default=True, help="Flows, each in every weather.")
@click.option("--first", default=0, show_default=True, help="First seed.")
def main(seeds: int, first: int) -> None:
    """Simulate many runs and check the laws after every turn."""
    began = time.perf_counter()
    turns = events = 0
    for seed in range(first, first + seeds):
        for name, weather in WEATHERS.items():
            world = _simulate(seed, name, weather)
            turns += len(world.turns)
            events += len(world.log)
    took = time.perf_counter() - began
    click.echo(
        f"{seeds * len(WEATHERS):,} runs, {turns:,} turns, {events:,} events in {took:.0f} s: no law broken"
    )


def _simulate(seed: int, name: str, weather: Weather) -> World:
    flow = random_flow(seed)
    world = World(flow, Random(seed), weather, keep_going=seed % 3 == 0)
    try:
        world.run()
        is_failed = any(isinstance(event, TaskFailed) for event in world.log)
        if name in ("fair", "crashes") or not (is_failed or world.was_cancelled):
            assert world.state.status is RunStatus.SUCCEEDED, world.state.status
            assert sorted(world.results) == sorted(expected(flow).tasks)
    except BaseException:
        click.echo(f"seed {seed}, {name}: again with --seeds 1 --first {seed}", err=True)
        raise
    return world


if __name__ == "__main__":
    sys.exit(main())
