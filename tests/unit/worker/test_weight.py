"""What is stored at once, and what on a thread."""

from __future__ import annotations

from collections import OrderedDict

import pytest

from asyncflow.worker.weight import is_light


@pytest.mark.parametrize(
    "value", [None, True, 3, 2.5, "text", b"bytes", [1, "two"], {"a": (1, 2)}, {1, 2}, [[[1]]]]
)
def test_small_plain_values_are_light(value: object) -> None:
    assert is_light(value)


@pytest.mark.parametrize(
    "value",
    [
        "x" * 70_000,
        list(range(65)),
        {"deep": [[[[1]]]]},
        object(),
        OrderedDict(a=1),
        ["x" * 60_000],
        lambda: 0,
    ],
)
def test_what_is_large_deep_or_unknown_is_not(value: object) -> None:
    assert not is_light(value)
