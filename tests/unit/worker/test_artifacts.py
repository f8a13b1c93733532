"""What of `self` a step hands on."""

from __future__ import annotations

import functools
import threading
from typing import Any

import numpy as np
import pytest

from asyncflow import FlowSpec, Parameter, current, environment, step
from asyncflow.store.local import LocalStore
from tests.unit.worker.player import Player


class Linear(FlowSpec):
    """Two steps and everything one can set."""

    alpha = Parameter("alpha", default=3)
    table = {"a": 1}  # noqa: RUF012

    @step
    def start(self) -> None:
        self.number = 1
        self.words = ["a"]
        self.numbers = np.zeros(400_000)
        self.random = np.random.default_rng(0).random(400_000)
        self.function = lambda: 1
        self.named = helper
        self.bound = self.tell
        self.partial = functools.partial(int, "7")
        self.kind = dict
        self._private = "p"
        self.next(self.middle)

    @step
    def middle(self) -> None:
        mode = getattr(current, "mode", None) or MODE[0]
        getattr(self, f"do_{mode}")()
        self.next(self.end)

    @step
    def end(self) -> None:
        self.got = (self.number, self.alpha, self.table, self._private)

    def tell(self) -> str:
        return "told"

    def do_nothing(self) -> None:
        pass

    def do_read(self) -> None:
        self.seen = (
            self.number + self.alpha,
            len(self.words),
            float(self.random[0]),
            self.kind,
            self.partial(),
        )

    def do_mutate(self) -> None:
        self.words.append("b")
        self.random[0] = 5.0

    def do_rebind(self) -> None:
        self.number = 1
        self.words = [*self.words, "c"]

    def do_delete(self) -> None:
        assert self.number == 1
        del self.number
        self.has_number = hasattr(self, "number")

    def do_set_parameter(self) -> None:
        self.alpha = 4  # type: ignore[assignment]

    def do_miss(self) -> None:
        assert not hasattr(self, "nowhere")
        self.nowhere += 1  # type: ignore[has-type]

    def do_store_flow(self) -> None:
        self.me = self

    def do_lock(self) -> None:
        self.good = "kept"
        self.model = {"parts": [1, threading.Lock()]}


def helper() -> int:
    """A function on the module."""
    return 1


MODE = ["nothing"]


def play(store: LocalStore, mode: str, **parameters: Any) -> tuple[Any, Any]:
    MODE[0] = mode
    player = Player(Linear, store, {"alpha": 3, **parameters})
    first = player.play("start")
    return first, player.play("middle", first)


def test_everything_but_functions_and_methods_is_kept(store: LocalStore) -> None:
    first, _ = play(store, "nothing")
    assert first.new == ["number", "words", "numbers", "random", "partial", "kind", "_private"]
    assert [ref.name for ref in first.success.artifacts] == first.new
    assert first.names == {*first.new, "alpha", "table"}
    assert first["partial"]() == 7


def test_a_child_has_all_of_its_parents_artifacts_by_reference(store: LocalStore) -> None:
    first, second = play(store, "nothing")
    assert second.names == first.names
    assert second.new == []
    assert second.success.artifacts == ()
    for name, record in second.manifest.artifacts.items():
        assert record.digest == first.manifest.artifacts[name].digest


def test_reading_changes_nothing_and_stores_nothing_anew(store: LocalStore) -> None:
    _, second = play(store, "read", alpha=9)
    assert second.new == ["seen"]
    assert second["seen"][:2] == (10, 1)
    assert second["seen"][3:] == (dict, 7)


def test_a_change_in_place_is_stored_and_the_parent_keeps_its_own(store: LocalStore) -> None:
    first, second = play(store, "mutate")
    assert second.new == ["words", "random"]
    assert (first["words"], second["words"]) == (["a"], ["a", "b"])
    assert second["random"][0] == 5.0
    assert first["random"][0] != 5.0


def test_setting_an_equal_value_is_no_change(store: LocalStore) -> None:
    _, second = play(store, "rebind")
    assert second.new == ["words"]
    assert second["words"] == ["a", "c"]


def test_an_inherited_artifact_cannot_be_deleted(store: LocalStore) -> None:
    _, second = play(store, "delete")
    assert second["has_number"] is True
    assert second["number"] == 1


def test_parameters_and_constants_are_read_only_and_reach_the_last_step(store: LocalStore) -> None:
    _, second = play(store, "set_parameter")
    assert second.error.type == "builtins.AttributeError"
    MODE[0] = "nothing"
    player = Player(Linear, store, {"alpha": 8})
    end = player.play("end", player.play("middle", player.play("start")))
    assert end["got"] == (1, 8, {"a": 1}, "p")


def test_a_missing_attribute_is_named(store: LocalStore) -> None:
    _, second = play(store, "miss")
    assert second.error.message == "Flow Linear has no attribute 'nowhere'"


def test_the_flow_itself_is_no_artifact(store: LocalStore) -> None:
    _, second = play(store, "store_flow")
    assert "Flows can't be serialized" in second.error.message
    assert second.error.is_retryable is False


def test_an_artifact_that_cannot_be_stored_fails_the_task_for_good_and_the_others_are_kept(
    store: LocalStore,
) -> None:
    _, second = play(store, "lock")
    assert second.error.message.startswith("self.model['parts'][1] (_thread.lock) inside self.model")
    assert second.error.is_retryable is False
    assert second.manifest.is_ok is False
    assert second["good"] == "kept"
    assert "model" not in second.names


class Surroundings(FlowSpec):
    """Looks around."""

    alpha = Parameter("alpha", default=3)

    @environment(vars={"COLOUR": "red"})
    @step
    def start(self) -> None:
        import os

        self.colour = os.environ.get("COLOUR")
        self.where = (current.pathspec, current.retry_count, current.username, current.tags)
        self.more = (current.run_id, current.task_id, current.parameter_names, current.is_running_flow)
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


def test_current_and_the_environment_are_set_for_the_step_and_only_for_it(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    from dataclasses import replace

    monkeypatch.delenv("COLOUR", raising=False)
    player = Player(Surroundings, store, {"alpha": 1})
    player.run_spec = replace(player.run_spec, environment={"start": {"COLOUR": "red"}})
    played = player.play("start")
    assert played["colour"] == "red"
    assert played["where"] == ("Surroundings/1/start/1", 0, "ada", frozenset({"nightly"}))
    assert played["more"] == ("1", "1", ("alpha",), True)
    assert "COLOUR" not in os.environ
    assert current.is_running_flow is False
    assert current.task_id is None


def test_the_manifest_tells_when_where_and_at_what_cost(store: LocalStore) -> None:
    import os
    import resource
    import time

    before = time.time()
    first, _ = play(store, "nothing")
    manifest, usage = first.manifest, first.success.usage
    assert before <= manifest.started_at <= manifest.ended_at <= time.time()
    assert (manifest.pid, manifest.host) == (os.getpid(), os.uname().nodename)
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    whole_process_s = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    assert 0 < manifest.cpu_s <= whole_process_s
    assert manifest.max_rss_bytes > 10 << 20
    assert (usage.started_at, usage.ended_at) == (manifest.started_at, manifest.ended_at)
    assert (usage.cpu_s, usage.max_rss_bytes) == (manifest.cpu_s, manifest.max_rss_bytes)
    assert (manifest.flow, manifest.step, manifest.next) == ("Linear", "start", ("middle",))


def test_a_small_task_leaves_no_file_of_its_own(store: LocalStore) -> None:
    from pathlib import Path

    player = Player(Surroundings, store, {"alpha": 1})
    before = {path for path in Path(store.root).rglob("*") if path.is_file()}
    player.play("start")
    after = {path for path in Path(store.root).rglob("*") if path.is_file()}
    assert [path.name for path in after - before] == []
