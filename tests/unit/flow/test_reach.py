"""The code a step reaches: what changes its digest, and what does not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncflow.flow.load import load_flow
from asyncflow.flow.reach import reached_code

FLOW = """
import functools
import json
import reach_helpers
from reach_helpers import Model, wrapped
from asyncflow import FlowSpec, step, user_step_decorator

LIMIT = 3
TABLE = {"a": reach_helpers.by_table}
NAMES = {"x", "y"}
add_two = functools.partial(reach_helpers.add, 2)

@user_step_decorator
def around(step_name, flow, inputs=None, attributes=None):
    before = 1
    yield

class Base(FlowSpec):
    def shared(self):
        return 1

class ReachFlow(Base):
    def shared(self):
        return super().shared() + 1

    @property
    def size(self):
        return 4

    @around
    @step
    def start(self):
        from reach_late import late
        self.made = [
            LIMIT, TABLE["a"](), len(NAMES), add_two(1), self.shared(), self.size, Model().fit(), wrapped(),
            json.dumps(late()), sum(inner(1) for inner in [lambda x: x + 1]),
        ]
        self.next(self.end)

    @step
    def end(self):
        print(self.made)
"""
HELPERS = """
import functools

def by_table():
    return 5

def add(a, b):
    return a + b

def unused():
    return 1

def logged(function):
    @functools.wraps(function)
    def call(*args):
        return function(*args)
    return call

@logged
def wrapped():
    return 6

class Parent:
    DEPTH = 7
    def base(self):
        return self.DEPTH

class Model(Parent):
    def fit(self):
        return self.base()
"""
LATE = """
import reach_later

def late():
    return reach_later.VALUE
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # files change within a second, and keep their size
    yield tmp_path
    sys.path.remove(str(tmp_path))


def digests(directory: Path, step: str = "start", **changed: tuple[str, str]) -> dict[str, str]:
    """Write the files, one of them with a text in place of another; return what a step reaches, with digests."""
    files = {"reach_flow": FLOW, "reach_helpers": HELPERS, "reach_late": LATE, "reach_later": "VALUE = 8\n"}
    for name, text in files.items():
        old, new = changed.get(name, ("", ""))
        assert old in text
        (directory / f"{name}.py").write_text(text.replace(old, new, 1) if old else text)
        sys.modules.pop(name, None)
    flow = load_flow(str(directory / "reach_flow.py"), "ReachFlow")
    return {name: piece.digest for name, piece in reached_code(flow, step).items()}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("reach_flow", "LIMIT = 3", "LIMIT = 4"),
        ("reach_flow", '{"x", "y"}', '{"x", "z"}'),
        ("reach_flow", "reach_helpers.add, 2", "reach_helpers.add, 3"),
        ("reach_flow", "return 1\n", "return 2\n"),
        ("reach_flow", "super().shared() + 1", "super().shared() + 2"),
        ("reach_flow", "return 4", "return 5"),
        ("reach_flow", "before = 1", "before = 2"),
        ("reach_flow", "x + 1", "x + 2"),
        ("reach_helpers", "return 5", "return 6"),
        ("reach_helpers", "a + b", "a - b"),
        ("reach_helpers", "return 6", "return 7"),
        ("reach_helpers", "return function(*args)", "return (function(*args), 1)"),
        ("reach_helpers", "DEPTH = 7", "DEPTH = 8"),
        ("reach_helpers", "return self.DEPTH", "return self.DEPTH + 1"),
        ("reach_late", "reach_later.VALUE", "reach_later.VALUE + 1"),
        ("reach_later", "VALUE = 8", "VALUE = 9"),
    ],
)
def test_a_change_of_what_the_step_reaches_is_seen(directory: Path, file: str, old: str, new: str) -> None:
    before = digests(directory)
    assert digests(directory, **{file: (old, new)}) != before
    untouched = digests(directory, "end")
    assert digests(directory, "end", **{file: (old, new)}) == untouched


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("reach_helpers", "def unused():\n    return 1", "def unused():\n    return 2"),
        ("reach_helpers", "def by_table():", 'def by_table():\n    "Doc."\n    # comment'),
        ("reach_helpers", "def by_table():", "\n\n\ndef by_table():"),
        ("reach_flow", "print(self.made)", "print(self.made, 1)"),
        ("reach_flow", "def size(self):\n", 'def size(self):\n        """A size."""\n'),
    ],
)
def test_what_it_does_not_reach_and_what_is_only_written_otherwise_is_not(
    directory: Path, file: str, old: str, new: str
) -> None:
    assert digests(directory, **{file: (old, new)}) == digests(directory)


def test_it_is_the_same_in_every_process(directory: Path) -> None:
    import subprocess

    found = digests(directory)
    program = (
        "from asyncflow.flow.load import load_flow\nfrom asyncflow.flow.reach import reached_code\n"
        f"flow = load_flow({str(directory / 'reach_flow.py')!r}, 'ReachFlow')\n"
        "print({name: piece.digest for name, piece in reached_code(flow, 'start').items()} == "
        + repr(found)
        + ")"
    )
    for seed in ("0", "1"):
        told = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout == "True\n"
