"""Compiled modules without what only a debugger reads still load."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from asyncflow.store.package.elf import stripped

_MODULES = ("zstandard.backend_c", "blake3.blake3", "msgpack._cmsgpack")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ELF is what Linux has")
@pytest.mark.parametrize("name", _MODULES)
def test_a_stripped_module_loads_and_works(name: str, tmp_path: Path) -> None:
    package = name.partition(".")[0]
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    original = Path(spec.origin).read_bytes()
    shutil.copytree(Path(spec.origin).parent, tmp_path / package, ignore=shutil.ignore_patterns("*.so"))

    short = stripped(original)
    (tmp_path / package / Path(spec.origin).name).write_bytes(short)

    assert len(short) < len(original)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {name}; print(sys.modules[{name!r}].__file__)"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(tmp_path))


@pytest.mark.parametrize(
    "data", [b"", b"#!/bin/sh\n", b"\x7fELF\x02\x01", b"\x7fELF\x02\x01" + b"\xff" * 200]
)
def test_anything_else_stays_as_it_is(data: bytes) -> None:
    assert stripped(data) == data
