"""The project's own source as parsed files, for the tests of this folder."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "asyncflow"

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
Definition = FunctionNode | ast.ClassDef


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: Path
    tree: ast.Module
    lines: int

    @property
    def name(self) -> str:
        """Path from the repository's root, as people write it."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def module(self) -> str:
        """Dotted name."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def is_private(self) -> bool:
        """Whether the file's own name says that it is nobody else's business."""
        return self.path.stem.startswith("_") and self.path.stem != "__init__"

    def at(self, node: ast.AST) -> str:
        """Return `file:line` of a node."""
        return f"{self.name}:{getattr(node, 'lineno', 1)}"


@cache
def sources(folder: str = "asyncflow") -> tuple[Source, ...]:
    """Every Python file below a folder of the repository, by name."""
    return tuple(_parse(path) for path in sorted((ROOT / folder).rglob("*.py")))


def _parse(path: Path) -> Source:
    text = path.read_text()
    return Source(path, ast.parse(text, filename=str(path)), text.count("\n"))


def functions(source: Source) -> Iterator[FunctionNode]:
    """Every function and method of a file, inner ones included."""
    return (node for node in ast.walk(source.tree) if isinstance(node, FunctionNode))


def length_without_docstring(node: FunctionNode) -> int:
    """Lines of a function, its decorators and docstring not counted."""
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None:
        length -= (first.end_lineno or first.lineno) - first.lineno + 1
    return length


def public_definitions(source: Source) -> Iterator[tuple[str, Definition]]:
    """Public classes and functions of a file, and the public methods of its public classes."""
    for node in source.tree.body:
        if isinstance(node, Definition) and not node.name.startswith("_") and not _overrides(node):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _public_methods(node)


def _public_methods(node: ast.ClassDef) -> Iterator[tuple[str, Definition]]:
    for member in node.body:
        if isinstance(member, Definition) and not member.name.startswith("_") and not _overrides(member):
            yield f"{node.name}.{member.name}", member


def _overrides(node: Definition) -> bool:
    return any(
        (isinstance(decorator, ast.Name) and decorator.id in ("override", "overload"))
        or (isinstance(decorator, ast.Attribute) and decorator.attr == "setter")
        for decorator in node.decorator_list
    )


def called_name(call: ast.Call) -> str:
    """Return the last word of what is called: `f` for `f()` and for `a.b.f()`."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""
