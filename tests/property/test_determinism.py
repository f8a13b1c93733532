"""One seed gives one log, byte for byte, whatever Python's hash seed is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import hashlib
from random import Random
from asyncflow.events.codec import encode_batch
from tests.property.flows import random_flow
from tests.property.world import Weather, World

digest = hashlib.sha256()
for seed in range(25):
    world = World(random_flow(seed), Random(seed), Weather(failure=0.1, our_fault=0.1, crash=0.05, delay=0.1))
    world.run()
    digest.update(encode_batch(world.log))
print(digest.hexdigest())
"""


@pytest.mark.timeout(120)
def test_the_log_of_a_seed_is_the_same_under_every_hash_seed() -> None:
    digests = {_digest(hash_seed) for hash_seed in range(4)}
    assert len(digests) == 1


def _digest(hash_seed: int) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": os.getcwd()}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
