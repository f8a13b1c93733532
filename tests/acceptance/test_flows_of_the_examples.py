"""One test for each example flow, as a user would write it: they are shown in docs/testing-flows.md."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from asyncflow.testing import run_flow, run_step

httpx = pytest.importorskip("httpx", reason="one of the examples makes calls with httpx")

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> Any:  # Any: a module with a flow
    """Import an example; in a project of your own it is `from train import TrainFlow`."""
    spec = importlib.util.spec_from_file_location(Path(name).name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


async def test_hello_counts_letters() -> None:
    hello = load("hello")
    done = await run_step(hello.HelloFlow.measure, inputs={"text": "Hi, Ada!"}, params={"times": 1})
    assert done.letters == 5
    assert done.next == ("end",)


async def test_training_ends_as_soon_as_it_is_good_enough() -> None:
    training = load("train_until_good")
    done = await run_flow(training.TrainUntilGoodFlow, {"good-enough": 0.9, "trees": 5})
    assert done.history[-1] >= 0.9
    assert all(accuracy < 0.9 for accuracy in done.history[:-1])
    assert done.message.startswith("Good enough")


async def test_the_sweep_chooses_the_most_accurate_model() -> None:
    sweep = load("digits_sweep").DigitsSweepFlow
    start = await run_step(sweep.start)
    assert start.items == start.names
    branches = [
        {"score": 0.9, "name_of_model": "good", "model": 1, "test_images": [], "test_labels": []},
        {"score": 0.8, "name_of_model": "worse", "model": 2, "test_images": [], "test_labels": []},
    ]
    chosen = await run_step(sweep.choose, inputs=branches)
    assert (chosen.model, chosen.ranking[0]) == (1, (0.9, "good"))


async def test_the_wines_are_described_by_three_branches() -> None:
    done = await run_flow(load("wine_statistics").WineStatisticsFlow)
    assert sorted(done.steps[1:4]) == ["correlate", "describe", "separate"]
    assert len(done.lines) > 3


async def test_a_failed_call_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = load("api_calls")
    answers = iter([503, 200, 200])

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(next(answers), json={"square": 1})

    def client() -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(answer))

    monkeypatch.setattr(calls, "client", client)
    done = await run_flow(calls.ApiCallsFlow, {"calls": 2})
    assert sorted(task.attempts for task in done["fetch"]) == [1, 2]
    assert done.squares == [1, 1]


async def test_the_primes_of_all_pieces_are_added() -> None:
    primes = load("service/primes")
    done = await run_flow(primes.PrimesFlow, {"below": 100, "pieces": 4, "pause": 0})
    assert done.primes == 25
