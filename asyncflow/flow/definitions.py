"""What only the text of a user's file tells: the bodies of its classes, and the statements of a module that act.

A module's statements act that are neither imports nor definitions, and give no name a value: `numpy.random.seed(1)`,
`pandas.options.display.width = 80`, `register(handler)`. What they do is seen by no name, so they themselves are told.
"""

from __future__ import annotations

import ast
import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from functools import lru_cache
from types import CodeType, ModuleType
from typing import NamedTuple

from asyncflow.flow.bytecode import imports_of, nested_codes, source_of
from asyncflow.flow.sources import is_users, is_users_place

__all__ = [
    "Acts",
    "acts_of",
    "bodies_of",
    "compiled",
    "file_of",
    "getattr_names",
    "modules_below",
    "python_files",
]

_OPTIMIZED = 1
"""A flag of code that is a function's; a class's body lacks it."""
_MOST_FILES = 2000


class Acts(NamedTuple):
    """The statements of a module that act."""

    text: str
    """Of all of them, as Python writes it; empty if there are none."""
    code: CodeType
    """Of them alone, to tell the names that they use."""


def compiled(path: str) -> CodeType | None:
    """Return the code of a file of the user's as it is now; None if it is none, or cannot be compiled."""
    parsed = _parsed(path)
    return None if parsed is None else parsed[1]


def acts_of(path: str) -> Acts | None:
    """Return the statements of a user's file that act; None if there are none."""
    parsed = _parsed(path)
    acting = [] if parsed is None else [one for one in parsed[0].body if _acts(one)]
    if not acting:
        return None
    text = "\n".join(map(ast.unparse, acting))
    return Acts(text, compile(text, path, "exec", dont_inherit=True))


def bodies_of(kind: type) -> Iterator[CodeType]:
    """Yield the code of a class's body (of each, where a file defines it several times)."""
    code = compiled(file_of(kind))
    for inner in () if code is None else nested_codes(code):
        if inner.co_qualname == kind.__qualname__ and not inner.co_flags & _OPTIMIZED:
            yield inner


def file_of(kind: type) -> str:
    """Return the file of the module that a class says it is from; empty if there is none."""
    module = sys.modules.get(kind.__module__)
    return getattr(module, "__file__", None) or ""


def modules_below(name: str) -> list[ModuleType]:
    """Return a module and all of the user's that it imported, and those that they did, in the order they are met."""
    found: dict[str, ModuleType] = {}
    waiting = [name]
    while waiting:
        name = waiting.pop(0)
        module = sys.modules.get(name)
        path = getattr(module, "__file__", None)
        if module is None or name in found or not isinstance(path, str) or not is_users_place(path):
            continue
        found[name] = module
        package = getattr(module, "__package__", None) or ""
        code = compiled(path)
        for imported in () if code is None else imports_of(code):
            waiting += [imported, f"{package}.{imported}".strip(".")]
        for value in list(vars(module).values()):
            other = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(other, str) and other not in found:
                waiting.append(other)
    return list(found.values())


def python_files(directory: str) -> Iterator[str]:
    """Yield the user's Python files in a directory and below, in order, but hidden ones; a few thousand at most."""
    count = 0
    for parent, directories, files in os.walk(directory):
        directories[:] = sorted(one for one in directories if not one.startswith((".", "__")))
        for file in sorted(files):
            path = f"{parent}/{file}"
            if file.endswith(".py") and is_users(path):
                yield path
                count += 1
                if count == _MOST_FILES:
                    return


def getattr_names(code: CodeType) -> Sequence[str] | None:
    """Return the names for which a function calls `getattr`; None if one is made when it runs, or cannot be told."""
    try:
        tree = ast.parse(textwrap.dedent(source_of(code)))
    except (SyntaxError, ValueError):
        return None
    names: list[str] = []
    uses = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "getattr"]
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
                names.append(name)
            case _:
                pass
    return names if uses and len(names) == len(uses) else None


def _parsed(path: str) -> tuple[ast.Module, CodeType] | None:
    if not is_users(path):
        return None
    try:
        status = os.stat(path)
        return _parse(path, status.st_mtime_ns, status.st_size)
    except (OSError, SyntaxError, ValueError):
        return None


@lru_cache(maxsize=512)
def _parse(path: str, modified_ns: int, size_bytes: int) -> tuple[ast.Module, CodeType]:
    """Raises OSError, SyntaxError and ValueError."""
    with open(path, "rb") as file:
        text = file.read()
    return ast.parse(text, path), compile(text, path, "exec", dont_inherit=True)


def _acts(statement: ast.stmt) -> bool:
    match statement:
        case (
            ast.Import() | ast.ImportFrom() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef()
        ) | (ast.Pass() | ast.Global() | ast.Nonlocal() | ast.Expr(value=ast.Constant())):
            return False
        case ast.Assign(targets=targets):
            return not all(map(_is_name, targets))
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            return not _is_name(target)
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
            return False
        case ast.If() | ast.Try() | ast.With() | ast.For() | ast.While():
            return any(map(_acts, _within(statement)))
        case _:
            return True


def _within(statement: ast.stmt) -> Iterator[ast.stmt]:
    for part in ("body", "orelse", "finalbody"):
        yield from getattr(statement, part, ())
    for handler in getattr(statement, "handlers", ()):
        yield from handler.body


def _is_name(target: ast.expr) -> bool:
    if isinstance(target, ast.Tuple | ast.List):
        return all(map(_is_name, target.elts))
    return isinstance(target, ast.Name)
