"""Which source files are the user's own: none of Python's, of an installed package, or of asyncflow."""

from __future__ import annotations

import os
import sys
from functools import cache

__all__ = ["is_users", "is_users_place", "users_files"]

_STANDARD = os.path.dirname(os.__file__)
_PLACES = (
    *(
        f"{place}/"
        for place in (
            os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
            _STANDARD,
            os.path.realpath(_STANDARD),
        )
    ),
    "asyncflow/",  # what code that comes in an archive is called
)
"""What the paths of asyncflow's and of Python's own files begin with."""


@cache
def is_users(path: str) -> bool:
    """Tell whether a file is Python source of the user's."""
    if not path.endswith(".py") or _is_others(path):
        return False
    return os.path.isfile(path) and not _is_others(os.path.realpath(path))


@cache
def is_users_place(path: str) -> bool:
    """Tell whether a file, of whatever kind, is neither Python's, nor of an installed package, nor asyncflow's."""
    return os.path.isfile(path) and not _is_others(path) and not _is_others(os.path.realpath(path))


def _is_others(path: str) -> bool:
    return path.startswith(_PLACES) or "/site-packages/" in path or "/dist-packages/" in path


def users_files(flow_file: str) -> dict[str, str]:
    """Return the flow's file and those of the user's modules that are imported: path by name.

    The name is relative to the flow's directory; of a module elsewhere it is made of the module's name.
    """
    directory = os.path.dirname(os.path.abspath(flow_file))
    found = {os.path.basename(flow_file): os.path.abspath(flow_file)}
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name != "__main__" and isinstance(path, str) and is_users(path):
            found.setdefault(_name_of(os.path.abspath(path), name, directory), path)
    return dict(sorted(found.items()))


def _name_of(path: str, module: str, directory: str) -> str:
    if path.startswith(f"{directory}/"):
        return path[len(directory) + 1 :]
    is_package = os.path.basename(path) == "__init__.py"
    return module.replace(".", "/") + ("/__init__.py" if is_package else ".py")
