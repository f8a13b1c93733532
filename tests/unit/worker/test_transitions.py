"""How a step hands on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asyncflow import FlowSpec, parallel, step
from asyncflow.machine.ids import Attempt
from asyncflow.machine.outcome import Failed, Succeeded
from asyncflow.store.local import LocalStore
from asyncflow.worker.attempt import prepare
from asyncflow.worker.binding import Origins
from asyncflow.worker.spec import TaskSpec
from tests.unit.worker.player import Played, Player

VALUES: dict[str, Any] = {}


class Fan(FlowSpec):
    """A foreach over whatever the test says."""

    @step
    def start(self) -> None:
        if "items" in VALUES:
            self.items = VALUES["items"]()
        self.next(self.work, foreach="items")

    @step
    def work(self) -> None:
        self.seen = (self.index, self.input, self.foreach_stack())
        self.next(self.join)

    @step
    def join(self, inputs: Any) -> None:
        self.all = [i.seen[1] for i in inputs]
        self.outside = (self.index, self.input, self.foreach_stack())
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


def fan(store: LocalStore, items: Any) -> tuple[Player, Played]:
    VALUES["items"] = lambda: items
    player = Player(Fan, store)
    return player, player.play("start")


def numbers() -> Iterator[int]:
    yield from (3, 1, 2)


@pytest.mark.parametrize(
    ("items", "values"),
    [
        ([3, 1, 2], [3, 1, 2]),
        ((None, "x"), [None, "x"]),
        ("ab", ["a", "b"]),
        (range(2, 5), [2, 3, 4]),
        ({"a": 1, "b": 2}, [("a", 1), ("b", 2)]),
        ({7}, [7]),
        (np.arange(3), [0, 1, 2]),
    ],
)
def test_a_foreach_goes_over_any_iterable(store: LocalStore, items: Any, values: list[Any]) -> None:
    player, first = fan(store, items)
    assert first.success.width == len(values)
    children = player.children("work", first)
    assert [child["seen"][:2] for child in children] == list(enumerate(values))
    assert [child["seen"][2] for child in children] == [
        [(index, len(values), value)] for index, value in enumerate(values)
    ]
    join = player.play("join", inputs=children, split=first)
    assert join["all"] == values
    assert join["outside"] == (None, None, [])


def test_a_generator_is_used_up_by_the_foreach_and_is_no_artifact(store: LocalStore) -> None:
    player, first = fan(store, numbers())
    assert first.success.width == 3
    assert first.names == set()
    assert [child["seen"][1] for child in player.children("work", first)] == [3, 1, 2]


def test_an_empty_foreach_runs_its_join_with_no_inputs(store: LocalStore) -> None:
    player, first = fan(store, [])
    assert first.success.width == 0
    join = player.play("join", inputs=[], split=first)
    assert join["all"] == []


def test_a_child_reads_only_its_own_item(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    player, first = fan(store, [10, 20, 30])
    read: list[Any] = []
    load, read_item_bytes = LocalStore.load, LocalStore.read_item_bytes

    def note_load(self: LocalStore, record: Any, *, name: str = "") -> Any:
        read.append(name)
        return load(self, record, name=name)

    def note_item(self: LocalStore, of: Any, index: int, **options: Any) -> Any:
        read.append(index)
        return read_item_bytes(self, of, index, **options)

    monkeypatch.setattr(LocalStore, "load", note_load)
    monkeypatch.setattr(LocalStore, "read_item_bytes", note_item)
    player.play("work", first, index=1, width=3)
    assert read == [1]


def test_a_foreach_over_nothing_that_was_set_is_an_error_for_good(store: LocalStore) -> None:
    VALUES.clear()
    played = Player(Fan, store).play("start")
    assert "self.items was never set" in played.error.message
    assert played.error.is_retryable is False
    _, number = fan(store, 5)
    assert "int, which has no items" in number.error.message


def test_an_item_that_cannot_be_stored_is_named(store: LocalStore) -> None:
    import threading

    _, played = fan(store, iter([1, threading.Lock()]))
    assert played.error.message.startswith("self.items[1] (_thread.lock)")
    assert played.error.is_retryable is False


def test_a_small_item_is_read_before_the_fork_and_a_large_or_missing_one_when_asked_for(
    store: LocalStore,
) -> None:
    # given a foreach over a small and a large item, both prepared
    player, first = fan(store, ["small", "large" * 100_000])
    specs = [
        TaskSpec(run=1, attempt=Attempt(50 + index, 0), step="work", inputs=[first.key], index=index, width=2)
        for index in range(2)
    ]
    origins = Origins(store)
    small, large = (prepare(Fan, player.run_spec, spec, origins) for spec in specs)
    # when the items go away
    items = first.manifest.items
    assert items is not None
    Path(store.root, "blobs", items.digest[:2], items.digest[2:]).unlink()
    # then the small one is there all the same, and the large one is missed by name
    assert isinstance(small.run(), Succeeded)
    outcome = large.run()
    assert isinstance(outcome, Failed)
    assert "Item 1 of self.items (foreach of step start)" in outcome.error.message
    assert "missing" in outcome.error.message


class Nested(FlowSpec):
    """A foreach in a foreach, and a static split inside."""

    @step
    def start(self) -> None:
        self.letters = ["a", "b"]
        self.next(self.outer, foreach="letters")

    @step
    def outer(self) -> None:
        self.numbers = [1, 2, 3]
        self.next(self.inner, foreach="numbers")

    @step
    def inner(self) -> None:
        self.next(self.left, self.right)

    @step
    def left(self) -> None:
        self.seen = (self.input, self.index, self.foreach_stack())
        self.next(self.close)

    @step
    def right(self) -> None:
        self.next(self.close)

    @step
    def close(self, inputs: Any) -> None:
        self.seen = (self.input, self.index, inputs.left.seen, inputs[0].index, inputs[1].input)
        self.next(self.inner_join)

    @step
    def inner_join(self, inputs: Any) -> None:
        self.seen = (self.input, self.index, self.foreach_stack(), [i.input for i in inputs])
        self.next(self.after)

    @step
    def after(self) -> None:
        self.seen = (self.input, self.index)
        self.next(self.outer_join)

    @step
    def outer_join(self, inputs: Any) -> None:
        self.seen = (self.input, [i.seen for i in inputs])
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


def test_each_level_of_a_nested_foreach_keeps_its_item_even_after_the_inner_join(store: LocalStore) -> None:
    player = Player(Nested, store)
    first = player.play("start")
    outer = player.play("outer", first, index=1, width=2)
    inners = [player.play("inner", outer, index=index, width=3) for index in range(3)]
    left = player.play("left", inners[2], index=0, width=2)
    right = player.play("right", inners[2], index=1, width=2)
    stack = [(1, 2, "b"), (2, 3, 3)]
    assert left["seen"] == (3, 2, stack)
    close = player.play("close", inputs=[left, right], split=inners[2])
    assert close["seen"] == (3, 2, (3, 2, stack), 2, 3)
    join = player.play("inner_join", inputs=[close], split=outer)
    assert join["seen"] == ("b", 1, [(1, 2, "b")], [3])
    after = player.play("after", join)
    assert after["seen"] == ("b", 1)
    assert player.play("outer_join", inputs=[after], split=first)["seen"] == (None, [("b", 1)])


class Switch(FlowSpec):
    """A switch that may come round again."""

    @step
    def start(self) -> None:
        self.size = VALUES["size"]
        self.next({"small": self.a, "large": self.b, 3: self.a}, condition="size")

    @step
    def a(self) -> None:
        self.next(self.loop)

    @step
    def b(self) -> None:
        self.next(self.loop)

    @step
    def loop(self) -> None:
        self.count = getattr(self, "count", 0) + 1
        self.again = self.count < 3
        self.next({True: self.loop, False: self.end}, condition="again")

    @step
    def end(self) -> None:
        pass


@pytest.mark.parametrize(("size", "target"), [("small", "a"), ("large", "b"), (3, "a")])
def test_a_switch_takes_the_case_of_its_value(store: LocalStore, size: Any, target: str) -> None:
    VALUES["size"] = size
    played = Player(Switch, store).play("start")
    assert (played.success.chosen, played.manifest.chosen) == (target, target)
    assert played.manifest.next == ("a", "b")


@pytest.mark.parametrize("size", ["medium", [1]])
def test_a_switch_without_a_case_for_the_value_fails_for_good(store: LocalStore, size: Any) -> None:
    VALUES["size"] = size
    played = Player(Switch, store).play("start")
    assert played.error.is_retryable is False
    assert "size" in played.error.message
    if size == "medium":
        assert "no case for 'medium'; its cases are 'small', 'large', 3" in played.error.message


def test_a_recursive_switch_sees_what_its_last_round_left(store: LocalStore) -> None:
    VALUES["size"] = "small"
    player = Player(Switch, store)
    played = player.play("a", player.play("start"))
    rounds = []
    for iteration in range(3):
        played = player.play("loop", played, iteration=iteration)
        rounds.append((played["count"], played.success.chosen, played.manifest.iteration))
    assert rounds == [(1, "loop", 0), (2, "loop", 1), (3, "end", 2)]


class Gang(FlowSpec):
    """A gang of nodes."""

    @step
    def start(self) -> None:
        self.next(self.train, num_parallel=VALUES["nodes"])

    @parallel
    @step
    def train(self) -> None:
        self.node = (self.index, self.input)
        self.next(self.join)

    @step
    def join(self, inputs: Any) -> None:
        self.nodes = [i.node for i in inputs]
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


def test_a_gang_is_as_wide_as_it_says_and_each_node_knows_its_number(store: LocalStore) -> None:
    VALUES["nodes"] = 3
    player = Player(Gang, store)
    first = player.play("start")
    assert first.success.width == 3
    nodes = player.children("train", first)
    assert player.play("join", inputs=nodes, split=first)["nodes"] == [(0, 0), (1, 1), (2, 2)]
    VALUES["nodes"] = None
    assert "num_parallel=None" in player.play("start").error.message


class Lost(FlowSpec):
    """Does not always go where it says."""

    @step
    def start(self) -> None:
        if VALUES["way"] == "nowhere":
            return
        if VALUES["way"] == "elsewhere":
            self.next(self.end)
            return
        if VALUES["way"] == "twice":
            self.next(self.middle)
        self.next(self.middle)

    @step
    def middle(self) -> None:
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("nowhere", "Step start ended without calling self.next"),
        ("elsewhere", "its last statement goes to middle"),
        ("twice", "twice"),
    ],
)
def test_a_step_must_go_where_the_graph_says(store: LocalStore, way: str, words: str) -> None:
    VALUES["way"] = way
    played = Player(Lost, store).play("start")
    assert words in played.error.message
    assert played.error.is_retryable is False
    assert played.error.type == "asyncflow.flow.errors.InvalidNextError"
