"""Which part of a value cannot be pickled."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from asyncflow.store.local import LocalStore
from asyncflow.store.unpicklable import UnpicklableArtifact


class Node:
    """Any object with attributes."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Slotted:
    """An object without a dictionary."""

    __slots__ = ("handle",)


class Stateful:
    """An object that says itself what its state is."""

    def __getstate__(self) -> dict[str, Any]:
        return {"made_up": threading.Lock()}


class Refusing:
    """An object that does not want to be pickled."""

    def __reduce__(self) -> Any:
        raise ValueError("not today")


def refusal(store: LocalStore, value: object) -> str:
    with pytest.raises(UnpicklableArtifact) as caught:
        store.dump(value, name="x")
    assert caught.value.is_retryable is False
    assert caught.value.hint
    return caught.value.message


def test_the_attribute_path_and_the_type_are_named(store: LocalStore) -> None:
    model = Node(layers=[Node(), Node(optimizer=Node(lock=threading.Lock()))], name="m")
    message = refusal(store, model)
    assert message.startswith("self.x.layers[1].optimizer.lock (_thread.lock) inside self.x (")
    assert "Node" in message


def test_the_value_itself_is_named_when_it_is_the_culprit(store: LocalStore) -> None:
    assert refusal(store, threading.Lock()).startswith("self.x (_thread.lock) cannot be pickled: TypeError")
    assert refusal(store, (number for number in [1])).startswith("self.x (builtins.generator)")


def test_dictionary_keys_and_values_slots_states_and_functions_are_found(store: LocalStore) -> None:
    slotted = Slotted()
    slotted.handle = threading.Lock()  # type: ignore[attr-defined]
    assert refusal(store, {"a": 1, "b": {2: lambda: 3}}).startswith("self.x['b'][2] (builtins.function)")
    assert refusal(store, [slotted]).startswith("self.x[0].handle (_thread.lock)")
    assert refusal(store, {"s": Stateful()}).startswith("self.x['s'].made_up (_thread.lock)")
    assert refusal(store, {(1, Refusing()): 1}).startswith("self.x.keys()[tuple][1] (")


def test_what_the_object_itself_raises_is_told(store: LocalStore) -> None:
    assert "ValueError: not today" in refusal(store, [1, Refusing()])


def test_a_value_that_holds_itself_ends_the_search(store: LocalStore) -> None:
    loop: dict[str, Any] = {"lock": threading.Lock()}
    loop["me"] = loop
    assert refusal(store, loop).startswith("self.x['lock'] (_thread.lock)")


def test_a_value_nested_too_deeply_is_said_to_be_so(store: LocalStore) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert "nested too deeply" in refusal(store, deep)
    while deep:  # taken apart by hand: letting go of it at once would recurse as deep
        deep = deep[0]
