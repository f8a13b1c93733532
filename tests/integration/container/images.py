"""Images without containers: interpreters with no package installed, and packages whose worker tells what it finds."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable, Mapping
from glob import glob
from pathlib import Path
from typing import Any

from asyncflow.store.package.archive import Member, write_part
from asyncflow.store.package.brought import PLACE, brought_members
from asyncflow.worker.container import bootstrap_command

_LIBRARY = f"{PLACE}/lib.zip"
_MAIN = "asyncflow/worker/__main__.py"
_PROBE = b"""
import json, os, sys, tempfile
import asyncflow.worker.attempt, asyncflow.worker.async_attempt, asyncflow.flow.load
from asyncflow.store import digests
from asyncflow.store.local import LocalStore
from asyncflow.store.s3.address import S3Settings
from asyncflow.store.s3.library import blocking_client
import anyio, msgpack
import user_module

with tempfile.TemporaryDirectory() as home:
    store = LocalStore(home)
    digest = store.put_blob([b"abc" * 100_000])
    back = bytes(store.get_blob(digest)) == b"abc" * 100_000
client = blocking_client(S3Settings(region="us-east-1"), 4)
compiled = [name for name in ("zstandard.backend_c", "msgpack._cmsgpack") if name in sys.modules]
sys.stdout.write(json.dumps({
    "argv": sys.argv[1:],
    "cwd": os.getcwd(),
    "root": os.path.dirname(user_module.__file__),
    "python": list(sys.version_info[:2]),
    "hasher": digests.new_hasher(10).__class__.__module__,
    "compiled": compiled,
    "digest": digest,
    "back": back,
    "from": {name: sys.modules[name].__file__ for name in ("anyio", "msgpack", "botocore", "asyncflow")},
}))
"""


def bare_python(directory: Path) -> str:
    """Make an environment that has nothing but Python; return its interpreter."""
    venv.create(directory, with_pip=False, symlinks=True)
    return str(directory / "bin" / "python")


def other_pythons() -> list[str]:
    """Return interpreters of this machine that are of another version than this, and new enough."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(sys.executable))))
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    found = {path.rpartition("python")[2]: path for path in glob(f"{root}/*/bin/python3.[0-9][0-9]")}
    return [path for version, path in sorted(found.items()) if int(version[2:]) >= 11 and version != own]


def old_pythons() -> list[str]:
    """Return interpreters of this machine that are too old."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(sys.executable))))
    return sorted(glob(f"{root}/*/bin/python3.[6-9]") + glob(f"{root}/*/bin/python3.10"))


def probing_package(path: Path, *, keeps: Callable[[str], bool] = lambda name: True) -> str:
    """Write a package whose worker tells as JSON what it finds; return its digest.

    `keeps` says which files of asyncflow's are in it.
    """
    pieces: list[bytes] = []
    brought = (
        one._replace(data=_probing(one.data, keeps)) if one.name == _LIBRARY else one
        for one in brought_members()
        if keeps(one.name)
    )
    write_part(pieces.append, brought, is_last=False)
    write_part(pieces.append, [Member("user_module.py", b"here = True\n")], is_last=True)
    data = b"".join(pieces)
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _probing(library: bytes, keeps: Callable[[str], bool]) -> bytes:
    """Put the probe in place of the worker's own first module."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(library)) as archive, zipfile.ZipFile(target, "w") as changed:
        for entry in archive.infolist():
            if not entry.filename.startswith(_MAIN) and keeps(f"{PLACE}/lib/{entry.filename}"):
                changed.writestr(entry, archive.read(entry))
        changed.writestr(_MAIN, _PROBE)
    return target.getvalue()


def start(
    url: str, digest: str, *, python: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Do what a container does; tried twice at most."""
    command = bootstrap_command(url, digest, "s3://bucket/spec", python=python)
    given = {"PATH": os.environ["PATH"], "ASYNCFLOW_PACKAGE_TRIES": "2", **(environment or {})}
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=120)


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:  # Any: JSON
    """Return what the worker told."""
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
