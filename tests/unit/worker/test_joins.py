"""`inputs` and `merge_artifacts`."""

from __future__ import annotations

import time
from typing import Any

import pytest

from asyncflow import FlowSpec, MergeError, MissingInMergeError, Parameter, UnhandledInMergeError, step
from asyncflow.machine.ids import Attempt
from asyncflow.store.local import LocalStore
from asyncflow.worker.spec import TaskSpec
from tests.unit.worker.player import Played, Player

JOIN: dict[str, Any] = {}


class Branches(FlowSpec):
    """Three branches of one split, one of them longer."""

    alpha = Parameter("alpha", default=1)
    constant = 5

    @step
    def start(self) -> None:
        self.common = {"same": 1}
        self.next(self.c, self.a, self.b)

    @step
    def a(self) -> None:
        self.only_a = "a"
        self.value = 1
        self.equal = [1, 2]
        self.next(self.a2)

    @step
    def a2(self) -> None:
        self.next(self.join)

    @step
    def b(self) -> None:
        self.value = True
        self.equal = [1, 2]
        self._hidden = "h"
        self.next(self.join)

    @step
    def c(self) -> None:
        self.next(self.join)

    @step
    def join(self, inputs: Any) -> None:
        self.result = JOIN["do"](self, inputs)
        self.next(self.end)

    @step
    def end(self) -> None:
        self.seen = getattr(self, "common", None)

    @property
    def doubled(self) -> int:
        return 2 * int(self.alpha)

    def shout(self) -> str:
        return str(self.only_a).upper()


def join(store: LocalStore, do: Any) -> Played:
    JOIN["do"] = do
    player = Player(Branches, store, {"alpha": 4})
    first = player.play("start")
    c = player.play("c", first, index=0, width=3)
    a = player.play("a2", player.play("a", first, index=1, width=3))
    b = player.play("b", first, index=2, width=3)
    return player.play("join", inputs=[c, a, b], split=first)


def test_inputs_come_in_the_order_of_next_and_can_be_counted_and_asked_by_step(store: LocalStore) -> None:
    def look(flow: Any, inputs: Any) -> Any:
        return {
            "len": len(inputs),
            "last": inputs[-1].value,
            "by name": (inputs.a2.only_a, inputs.b.value),
            "twice": [hasattr(i, "only_a") for i in inputs] + [hasattr(i, "only_a") for i in inputs],
            "slice": [i.value for i in inputs[1:]],
        }

    assert join(store, look)["result"] == {
        "len": 3,
        "last": True,
        "by name": ("a", True),
        "twice": [False, True, False] * 2,
        "slice": [1, True],
    }


def test_an_input_has_parameters_constants_properties_and_methods(store: LocalStore) -> None:
    def look(flow: Any, inputs: Any) -> Any:
        one = inputs.a2
        return one.alpha, one.constant, one.doubled, one.shout(), one.index, one.input, one.name

    assert join(store, look)["result"] == (4, 5, 8, "A", None, None, "Branches")


def test_a_join_inherits_parameters_and_constants_and_nothing_else(store: LocalStore) -> None:
    def look(flow: Any, inputs: Any) -> Any:
        return flow.alpha, flow.constant, hasattr(flow, "common"), hasattr(flow, "only_a")

    played = join(store, look)
    assert played["result"] == (4, 5, False, False)
    assert played.names == {"alpha", "constant", "result"}


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda inputs: inputs[3], "the join has 3 inputs"),
        (lambda inputs: inputs.nowhere, "came from step 'nowhere'; they came from: c, a2, b"),
        (lambda inputs: inputs[0].only_a, "'only_a' in the input from step c"),
        (lambda inputs: setattr(inputs[0], "x", 1), "read-only"),
        (lambda inputs: delattr(inputs[0], "common"), "read-only"),
    ],
)
def test_what_inputs_cannot_give_is_an_error_that_says_why(store: LocalStore, ask: Any, words: str) -> None:
    assert words in join(store, lambda flow, inputs: ask(inputs)).error.message


@pytest.mark.parametrize("pick", [lambda inputs: inputs, lambda inputs: inputs[0]])
def test_inputs_are_no_artifacts(store: LocalStore, pick: Any) -> None:
    def keep(flow: Any, inputs: Any) -> None:
        flow.kept = pick(inputs)

    assert "Flows can't be serialized" in join(store, keep).error.message


def test_merging_takes_what_the_branches_agree_on_by_reference(store: LocalStore) -> None:
    def merge(flow: Any, inputs: Any) -> Any:
        flow.value = "mine"
        flow.merge_artifacts(inputs)
        return flow.common

    played = join(store, merge)
    assert played["result"] == {"same": 1}
    assert played.names == {
        "alpha", "constant", "common", "only_a", "value", "equal", "_hidden", "result"
    }  # fmt: skip
    assert played["value"] == "mine"
    assert played.new == ["value", "result"]


def test_a_disagreement_is_by_content_and_merges_nothing_and_may_be_settled(store: LocalStore) -> None:
    def merge(flow: Any, inputs: Any) -> Any:
        try:
            flow.merge_artifacts(inputs)
        except UnhandledInMergeError as error:
            told = list(error.artifact_names), hasattr(flow, "common")
        flow.value = 2
        flow.merge_artifacts(inputs)
        return told, flow.common, flow.equal

    assert join(store, merge)["result"] == ((["value"], False), {"same": 1}, [1, 2])


def test_include_and_exclude_pick_names(store: LocalStore) -> None:
    def include(flow: Any, inputs: Any) -> None:
        flow.merge_artifacts(inputs, include=["common"])

    assert join(store, include).names == {"alpha", "constant", "common", "result"}

    def exclude(flow: Any, inputs: Any) -> None:
        flow.merge_artifacts(inputs, exclude=["value", "equal", "no such name"])

    assert join(store, exclude).names == {
        "alpha", "constant", "common", "only_a", "_hidden", "result"
    }  # fmt: skip

    def some(flow: Any, inputs: Any) -> None:
        flow.merge_artifacts([inputs.a2, inputs.c])

    assert "_hidden" not in join(store, some).names


def test_merge_errors_are_those_of_the_contract(store: LocalStore) -> None:
    def check(flow: Any, inputs: Any) -> None:
        with pytest.raises(MissingInMergeError) as missing:
            flow.merge_artifacts(inputs, include=["common", "no such name"])
        assert missing.value.artifact_names == ["no such name"]
        assert not hasattr(flow, "common")
        with pytest.raises(MergeError):
            flow.merge_artifacts(inputs, include=["common"], exclude=["value"])
        with pytest.raises(MergeError, match="takes inputs"):
            flow.merge_artifacts([1, 2])
        flow.merge_artifacts(inputs, include=["common", "alpha"])

    assert join(store, check).success


def test_merging_outside_a_join_is_an_error_for_good(store: LocalStore) -> None:
    from tests.unit.worker import test_failures

    test_failures.DO["it"] = lambda flow: flow.merge_artifacts([])
    played = Player(test_failures.Fragile, store).play("start")
    assert "no join" in played.error.message
    assert played.error.is_retryable is False


class Wide(FlowSpec):
    """A wide foreach."""

    @step
    def start(self) -> None:
        self.items = range(2000)
        self.next(self.work, foreach="items")

    @step
    def work(self) -> None:
        self.y = self.input
        self.next(self.join)

    @step
    def join(self, inputs: Any) -> None:
        self.total = sum(i.y for i in inputs)
        self.last = inputs.work.y
        self.merge_artifacts(inputs, exclude=["y"])
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


@pytest.mark.slow
def test_a_join_of_thousands_reads_each_input_once_and_fast(store: LocalStore) -> None:
    player = Player(Wide, store)
    first = player.play("start")
    children = player.children("work", first)
    spec = TaskSpec(
        run=1,
        attempt=Attempt(9999, 0),
        step="join",
        inputs=[child.key for child in children],
        split=first.key,
    )
    began = time.process_time()
    played = player.run(spec)
    took = time.process_time() - began
    assert played["total"] == sum(range(2000))
    assert played["last"] == 1999
    assert played["items"] == range(2000)
    assert took < 2.0
