"""Flows made from source text, because a flow's graph is read from its file."""

from __future__ import annotations

import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asyncflow.flow.load import load_flow
from asyncflow.flow.spec import FlowSpec

MakeFlow = Callable[..., type[FlowSpec]]

HEADER = """\
from asyncflow import *
"""


@pytest.fixture
def make_flow(tmp_path: Path) -> Iterator[MakeFlow]:
    """A function that writes source text to a file of its own and loads the flow in it."""
    path, modules = list(sys.path), dict(sys.modules)
    numbers = itertools.count()

    def make(source: str, class_name: str | None = None) -> type[FlowSpec]:
        file = tmp_path / f"made_flow_{next(numbers)}.py"
        file.write_text(HEADER + textwrap.dedent(source))
        return load_flow(str(file), class_name)

    yield make
    sys.path[:] = path
    for name in set(sys.modules) - set(modules):
        if name.startswith("made_"):
            del sys.modules[name]


@pytest.fixture
def make_steps(make_flow: MakeFlow) -> Callable[[str], type[FlowSpec]]:
    """A function that makes a flow of steps written as `name(args) [@decorator]: last statement`, one a line."""

    def make(lines: str) -> type[FlowSpec]:
        body: list[str] = []
        for line in textwrap.dedent(lines).strip().splitlines():
            head, _, tail = line.partition(":")
            name, *decorators = head.split()
            signature = name if "(" in name else f"{name}(self)"
            body += [*decorators, "@step", f"def {signature}:", f"    {tail.strip() or 'pass'}", ""]
        return make_flow("class Made(FlowSpec):\n" + textwrap.indent("\n".join(body), "    "))

    return make
