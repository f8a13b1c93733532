"""What a flow adds to its code package, besides the files of its directory.

That is: the user's own modules that it imports from elsewhere; modules that ask for it by
`METAFLOW_PACKAGE_POLICY = "include"`, wherever they are; and what the flow's mutators and decorators name in
`add_to_package`.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

from asyncflow.errors import UserError
from asyncflow.flow.decorators.attached import decorators_of
from asyncflow.flow.decorators.flow_level import flow_decorators_of
from asyncflow.flow.decorators.user import Wrapping
from asyncflow.flow.mutators import FlowMutator, mutators_of
from asyncflow.flow.sources import is_users
from asyncflow.flow.steps import steps_of

__all__ = ["Added", "AddedFileError", "added_to_package", "package_suffixes", "suffixes_of"]

_POLICY = "METAFLOW_PACKAGE_POLICY"
_MODULE = ("module", "MODULE_CONTENT")
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<origin>\w[\w.]*)[ \t]+import|import[ \t]+(?P<names>\w[^#\n;]*))", re.MULTILINE
)


class AddedFileError(UserError):
    """What `add_to_package` named cannot be packed."""

    headline = "The code cannot be packed"


class package_suffixes(FlowMutator):
    """Lets the code package of a flow have files with more suffixes: `@package_suffixes(".sql", ".json")`."""

    suffixes: tuple[str, ...] = ()

    def init(self, *suffixes: Any) -> None:  # Any: a text, or several in a list
        """Take suffixes, one by one or in lists."""
        listed = [one if isinstance(one, list | tuple) else str(one).split(",") for one in suffixes]
        self.suffixes = tuple(str(part).strip() for one in listed for part in one)


class Added(NamedTuple):
    """A file or a directory that goes into the package."""

    name: str
    """In the package."""
    path: str
    """Absolute, of a file or a directory."""
    is_whole: bool = False
    """Of a directory: every file in it, not only code."""


def added_to_package(flow_class: type, flow_file: str) -> list[Added]:
    """Return what is to be packed besides the flow's directory. The flow must be loaded.

    Raises:
        AddedFileError: What `add_to_package` named is not there, or is no pair of a path and a name.
    """
    found = [*_of_hooks(flow_class), *_of_modules(os.path.abspath(flow_file))]
    return list({added.name: added for added in reversed(found)}.values())[::-1]


def suffixes_of(flow_class: type) -> tuple[str, ...]:
    """Return the suffixes that the flow's mutators add."""
    several = (mutator for mutator in mutators_of(flow_class) if isinstance(mutator, package_suffixes))
    return tuple(dict.fromkeys(suffix for mutator in several for suffix in mutator.suffixes))


def _of_modules(flow_file: str) -> Iterator[Added]:
    """Yield the modules and packages that are to come along and lie elsewhere, each package whole."""
    directory = os.path.dirname(flow_file)
    named: dict[str, ModuleType] = {
        name: module for name, module in sorted(sys.modules.items()) if vars(module).get(_POLICY) == "include"
    }
    for name, module in _imported_by(flow_file).items():
        if not str(module.__file__).startswith(f"{directory}/"):
            named.setdefault(_top_of(name), sys.modules.get(_top_of(name), module))
    for name, module in named.items():
        yield from _module(name, module)


def _imported_by(flow_file: str) -> dict[str, ModuleType]:
    """Return the user's modules that a file imports, and those that these import: what is loaded of them, by name.

    Imports are found as text, which takes 20 us a file; a name too many does no harm, as only what is loaded counts.
    """
    found: dict[str, ModuleType] = {}
    files = [flow_file]
    seen = {flow_file}
    while files:
        for name, module in _loaded(_imports_in(files.pop())):
            path = os.path.abspath(str(module.__file__))
            found[name] = module
            if path not in seen:
                seen.add(path)
                files.append(path)
    return found


def _imports_in(path: str) -> set[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return set()
    names: set[str] = set()
    for line in _IMPORT.finditer(text):
        listed = [line["origin"]] if line["origin"] else re.split(r"\s*,\s*", line["names"])
        names |= {words[0] for one in listed if (words := one.split())}
    return names


def _loaded(names: set[str]) -> Iterator[tuple[str, ModuleType]]:
    """Yield the user's modules of these names, and what is in packages of these names."""
    tops = {name.partition(".")[0] for name in names}
    for name, module in sorted(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name.partition(".")[0] in tops and isinstance(path, str) and is_users(os.path.abspath(path)):
            yield name, module


def _top_of(name: str) -> str:
    """Return the outermost package of a module that is a package of its own: one with an `__init__.py`."""
    parts = name.split(".")
    for count in range(1, len(parts)):
        outer = ".".join(parts[:count])
        if getattr(sys.modules.get(outer), "__file__", None):
            return outer
    return name


def _module(name: str, module: ModuleType) -> Iterator[Added]:
    place = name.replace(".", "/")
    path = getattr(module, "__file__", None)
    if not isinstance(path, str):  # a namespace: its parts, wherever they are
        for part in getattr(module, "__path__", ()):
            yield Added(place, os.path.abspath(part))
    elif os.path.basename(path).startswith("__init__."):
        yield Added(place, os.path.dirname(os.path.abspath(path)))
    else:
        yield Added(f"{place}{os.path.splitext(path)[1]}", os.path.abspath(path))


# add_to_package


def _of_hooks(flow_class: type) -> Iterator[Added]:
    for owner in _owners(flow_class):
        hook = getattr(owner, "add_to_package", None)
        if callable(hook):
            named: Iterable[Any] = hook() or ()  # pyright: ignore[reportAssignmentType] - the user's
            for one in named:
                yield from _named(one, type(owner).__name__)


def _owners(flow_class: type) -> Iterator[object]:
    yield from mutators_of(flow_class)
    yield from flow_decorators_of(flow_class)
    for step in steps_of(flow_class):
        for decorator in decorators_of(flow_class, step):
            yield decorator.wrapper if isinstance(decorator, Wrapping) else decorator


def _named(one: Any, owner: str) -> Iterator[Added]:  # Any: what the user's code yields
    if not isinstance(one, tuple | list) or len(one) not in (2, 3):  # pyright: ignore[reportUnknownArgumentType]
        raise AddedFileError(
            f"{owner}.add_to_package gives {one!r:.100}, which is no pair of a path and a name in the package"
        )
    path, name, *kind = one  # pyright: ignore[reportUnknownVariableType]
    kind_name = str(getattr(kind[0], "name", kind[0])) if kind else ""  # pyright: ignore[reportUnknownArgumentType]
    if kind_name in _MODULE:
        yield from _imported(str(path), owner)  # pyright: ignore[reportUnknownArgumentType]
        return
    added = Added(str(name).strip("/"), os.path.abspath(str(path)), is_whole=True)  # pyright: ignore[reportUnknownArgumentType]
    if not os.path.exists(added.path):
        raise AddedFileError(f"{owner}.add_to_package names {added.path}, which is not there")
    if not added.name or ".." in added.name.split("/"):
        raise AddedFileError(
            f"{owner}.add_to_package names {name!r} as a place in the package, which is none"
        )
    yield added


def _imported(name: str, owner: str) -> Iterator[Added]:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise AddedFileError(
            f"{owner}.add_to_package names module {name}, which cannot be imported: {error}"
        ) from error
    yield from _module(name, module)
