"""Imports kubernetes-asyncio without the classes of its models: 700 modules, half a second of every run with pods.

Its packages import all that is in them, and we use four names. Here the bodies of three packages wait until somebody
asks for a name beyond those; then they run, and everything is as if it had been imported the usual way. So a service
in whose process we are notices nothing.
"""

from __future__ import annotations

import sys
import threading
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from types import ModuleType
from typing import Any

__all__ = ["import_lean"]

_LIBRARY = "kubernetes_asyncio"
_CLIENT = f"{_LIBRARY}.client"
_DEFERRED = (_LIBRARY, _CLIENT, f"{_CLIENT}.models")
_EARLY = {
    (_CLIENT, "ApiClient"): f"{_CLIENT}.api_client",
    (_CLIENT, "Configuration"): f"{_CLIENT}.configuration",
    (_CLIENT, "rest"): _CLIENT,
}
"""Names that a package's body need not run for, and the module that has them."""
_USED = (f"{_LIBRARY}.config", f"{_CLIENT}.api_client", f"{_CLIENT}.configuration")

_lock = threading.RLock()
_running: set[str] = set()
"""Packages whose bodies are being run."""


class _Deferred(ModuleType):
    """A package whose body has not run."""

    def __getattr__(self, name: str) -> Any:  # Any: a module's attribute
        """Import the name, or run the body for it."""
        package = self.__name__
        with _lock:
            if (package, name) in _EARLY:
                return _early(package, name)
            if package in _running:
                raise AttributeError(f"module {package!r} has no attribute {name!r}")
            if type(self) is _Deferred:
                _complete(self)
        return getattr(self, name)


def import_lean() -> None:
    """Import what we use of the library, unless somebody has imported it. Raises ImportError."""
    with _lock:
        if _LIBRARY in sys.modules:
            return
        try:
            for name in _DEFERRED:
                _defer(name)
            for name in _USED:
                import_module(name)
        except (ImportError, AttributeError):
            # A release that is made in another way is imported as everybody does.
            _forget()
            import_module(_LIBRARY)


def _defer(name: str) -> None:
    parent, _, child = name.rpartition(".")
    spec = PathFinder.find_spec(name, sys.modules[parent].__path__ if parent else None)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    module = module_from_spec(spec)
    module.__class__ = _Deferred
    sys.modules[name] = module
    if parent:
        setattr(sys.modules[parent], child, module)


def _early(package: str, name: str) -> Any:  # Any: a module's attribute
    source = _EARLY[package, name]
    if source == package:
        return import_module(f"{package}.{name}")
    return getattr(import_module(source), name)


def _complete(module: _Deferred) -> None:
    """Run a package's body in its module."""
    spec = module.__spec__
    assert spec is not None and spec.loader is not None  # noqa: PT018 - it was found with them
    _running.add(spec.name)
    try:
        spec.loader.exec_module(module)
        module.__class__ = ModuleType  # pyright: ignore[reportAttributeAccessIssue] - of the same layout
    finally:
        _running.discard(spec.name)


def _forget() -> None:
    for name in [name for name in sys.modules if name == _LIBRARY or name.startswith(f"{_LIBRARY}.")]:
        del sys.modules[name]
