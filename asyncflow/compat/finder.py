"""Answers `import metaflow` and its submodules with modules whose names are asyncflow's."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from asyncflow.compat.names import MODULES, home_of
from asyncflow.errors import UserError

__all__ = ["MissingName", "install", "installed", "uninstall"]

_ROOT = "metaflow"
_CONFIG = "metaflow.metaflow_config"
_PAGE = "docs/compatibility.md"


class MissingName(UserError, ImportError):
    """A name of Metaflow's that asyncflow does not have."""

    headline = "Not in asyncflow"


def install() -> None:
    """Let `import metaflow` give asyncflow in this process from now on. Safe to call twice.

    Nothing is done where `ASYNCFLOW_COMPAT` is 0: then Metaflow itself is imported, if it is installed.
    """
    if os.environ.get("ASYNCFLOW_COMPAT") == "0" or _FINDER in sys.meta_path:
        return
    for name in _loaded():
        if not isinstance(sys.modules[name], _Module):
            _FINDER.hidden[name] = sys.modules.pop(name)
    sys.meta_path.insert(0, _FINDER)


def uninstall() -> None:
    """Let `import metaflow` give what is installed; modules that were imported before come back."""
    if _FINDER not in sys.meta_path:
        return
    sys.meta_path.remove(_FINDER)
    for name in _loaded():
        del sys.modules[name]
    sys.modules.update(_FINDER.hidden)
    _FINDER.hidden.clear()


@contextmanager
def installed() -> Generator[None]:
    """Let `import metaflow` give asyncflow within the block; not beyond it, unless that was so before."""
    was_installed = _FINDER in sys.meta_path
    install()
    try:
        yield
    finally:
        if not was_installed:
            uninstall()


class _Module(ModuleType):
    """A module of Metaflow's; each name is looked up when it is first used."""

    def __getattr__(self, name: str) -> Any:  # Any: whatever the name stands for
        submodule = f"{self.__name__}.{name}"
        value = _value(self.__name__, name)
        if value is None and submodule in MODULES:
            value = sys.modules.get(submodule) or _Module(submodule)
        if value is None:
            raise AttributeError(
                f"asyncflow has no {submodule}; what there is of Metaflow: {_PAGE}",
                name=name,
                obj=self,
            )
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        own = import_module("asyncflow").__all__ if self.__name__ == _ROOT else ()
        return sorted({*MODULES[self.__name__], *own})


class _Settings(_Module):
    """`metaflow.metaflow_config`, whose names are settings; many of them are None."""

    def __getattr__(self, name: str) -> Any:  # Any: each has a type of its own
        from asyncflow.compat.settings import value_of  # only for those who ask

        try:
            return value_of(name)
        except AttributeError:
            return super().__getattr__(name)


class _Finder:
    """What stands in `sys.meta_path`."""

    def __init__(self) -> None:
        self.hidden: dict[str, ModuleType] = {}
        """Modules of an installed Metaflow that were imported before, by name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module of Metaflow's. Raises MissingName if asyncflow has none of that name."""
        if fullname.partition(".")[0] != _ROOT:
            return None
        if fullname not in MODULES:
            raise _missing(fullname)
        own: Any = self  # Any: a loader by what it does, as importlib.abc would cost each start 1 ms
        return ModuleSpec(fullname, own, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Make the module."""
        kind = _Settings if spec.name == _CONFIG else _Module
        return kind(spec.name, f"Metaflow's {spec.name}, on asyncflow.")

    def exec_module(self, module: ModuleType) -> None:
        """Give a module its list of names for `import *`; the names themselves are looked up when used."""
        public = [name for name in dir(module) if not name.startswith("_")]
        module.__dict__["__all__"] = [name for name in public if _value(module.__name__, name) is not None]


_FINDER: Any = _Finder()  # Any: sys.meta_path wants a class of the import system's own


def _loaded() -> list[str]:
    return [name for name in sys.modules if name == _ROOT or name.startswith(f"{_ROOT}.")]


def _value(module: str, name: str) -> Any:  # Any: whatever the name stands for; None: there is no such name
    home = home_of(module, name)
    if home is None:
        return None
    try:
        return getattr(import_module(home[0]), home[1], None)
    except ModuleNotFoundError as error:
        if error.name == home[0]:
            return None
        raise


def _missing(fullname: str) -> MissingName:
    parent, _, name = fullname.rpartition(".")
    return MissingName(
        f"`{name}` of {parent} is not in asyncflow",
        hint=f"What of Metaflow is here, what differs, and what is missing: {_PAGE}",
    )
