"""The first thing of asyncflow's that runs in a container: finds the package's parts, then runs `asyncflow.worker`.

A copy lies in each code package, beside what it is about; see `store/package/brought.py`. Nothing of asyncflow can be
imported before its end. The image's own packages win, so that what else is installed there goes on to fit together;
what is missing, or too old for asyncflow, comes from the package.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import shutil
import sys
from importlib.machinery import EXTENSION_SUFFIXES

__all__ = ["paths_of", "start"]


def start(place: str, arguments: list[str]) -> None:
    """Run `python -m asyncflow.worker` with these arguments and what the package brings.

    Args:
        place: The package's directory of what is not the user's.
        arguments: What follows the module's name.
    """
    first, last = paths_of(place, sys.path)
    sys.path[:0] = first
    sys.path += last
    shown = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    os.environ["PYTHONPATH"] = os.pathsep.join([*first, *(path for path in shown if path not in first)])
    atexit.register(_remove, os.path.dirname(place), os.getpid())
    sys.argv = ["asyncflow.worker", *arguments]
    runpy.run_module("asyncflow.worker", run_name="__main__", alter_sys=True)


def paths_of(place: str, known: list[str]) -> tuple[list[str], list[str]]:
    """Return what is to be put in front of `sys.path`, and what behind it.

    Args:
        place: As for `start`.
        known: The path as it is, with the image's packages.
    """
    abi = EXTENSION_SUFFIXES[0].removeprefix(".").removesuffix(".so")
    brought = [f"{place}/native/{abi}", f"{place}/pure", f"{place}/pure.zip"]
    brought = [path for path in brought if os.path.exists(path)]
    first = [os.path.dirname(place), f"{place}/lib.zip"]
    with open(f"{place}/info.json", encoding="utf-8") as file:
        least: dict[str, str] = json.load(file)["least"]
    if any(_is_too_old(name, least[name], known) for name in least):
        return [*first, *brought], []
    return first, brought


def _remove(root: str, owner: int) -> None:
    """Remove what was unpacked, where it was unpacked for this process alone."""
    if os.getpid() == owner and os.path.basename(root).startswith("asyncflow-"):
        shutil.rmtree(root, ignore_errors=True)


def _is_too_old(name: str, least: str, paths: list[str]) -> bool:
    """Tell whether the image has a version of a package that asyncflow cannot use."""
    for path in paths:
        try:
            entries = os.listdir(path)
        except OSError:
            continue  # an archive, or no directory that is there
        for entry in entries:
            if entry.startswith(f"{name}-") and entry.endswith((".dist-info", ".egg-info")):
                version = entry[len(name) + 1 :].rpartition(".")[0]
                return _numbers(version) < _numbers(least)
    return False


def _numbers(version: str) -> tuple[int, ...]:
    found: list[int] = []
    for part in version.split(".")[:3]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        found.append(int(digits))
    return tuple(found)


if __name__ == "__main__":
    start(os.path.dirname(os.path.abspath(__file__)), sys.argv[1:])
