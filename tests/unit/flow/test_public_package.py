"""`import asyncflow`: what it exports, and how little it loads. Measured in fresh interpreters."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import asyncflow

HEAVY = ("sqlite3", "aiosqlite", "asyncio", "anyio", "click", "rich", "msgpack", "zstandard", "textual")


def in_fresh_interpreter(code: str) -> list[str]:
    """Run code and return the names of the modules it has loaded."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded: list[str] = json.loads(done.stdout)
    return loaded


def test_importing_the_package_loads_nothing_heavy() -> None:
    bare = in_fresh_interpreter("pass")
    loaded = in_fresh_interpreter("import asyncflow")
    assert [name for name in loaded if name.partition(".")[0] in HEAVY] == []
    assert len(set(loaded) - set(bare)) < 120


def test_writing_a_flow_loads_nothing_heavy() -> None:
    loaded = in_fresh_interpreter(
        "from asyncflow import FlowSpec, step, Parameter, JSONType, IncludeFile, current, retry, catch"
    )
    assert [name for name in loaded if name.partition(".")[0] in HEAVY] == []


def test_importing_costs_less_than_sixty_milliseconds() -> None:
    code = (
        "import time, sys\n"
        "begin = time.process_time()\n"
        "from asyncflow import FlowSpec, step, Parameter, retry, current\n"
        "print(time.process_time() - begin)"
    )
    taken = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(taken) < 0.060, taken


def test_every_exported_name_is_there_and_listed() -> None:
    for name in asyncflow.__all__:
        assert getattr(asyncflow, name) is not None
    assert set(asyncflow.__all__) <= set(dir(asyncflow))
    assert list(asyncflow._HOMES) == list(asyncflow.__all__)


def test_a_star_import_gives_the_authoring_names() -> None:
    namespace: dict[str, object] = {}
    exec("from asyncflow import *", namespace)
    assert {"FlowSpec", "step", "Parameter", "current", "retry", "parallel"} <= set(namespace)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'asyncflow' has no attribute 'nope'"):
        _ = asyncflow.nope
