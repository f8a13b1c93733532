"""Every public module says what it exports, and exports what it says."""

from __future__ import annotations

import ast
import importlib

import pytest

from tests.house.source import Source, sources

WITHOUT_ALL = ("asyncflow.version",)
"""Read by the build, not by people."""

MODULES = [source for source in sources() if not source.is_private and source.module not in WITHOUT_ALL]


def declared(source: Source) -> list[str] | None:
    for node in source.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            assert isinstance(node, ast.Assign)
            value = node.value
            return list(ast.literal_eval(value)) if isinstance(value, ast.List | ast.Tuple) else []
    return None


def defines_names(source: Source) -> bool:
    return any(not isinstance(node, ast.Expr | ast.Import | ast.ImportFrom) for node in source.tree.body)


@pytest.mark.parametrize("source", MODULES, ids=lambda source: source.module)
def test_all_is_declared_and_true(source: Source) -> None:
    names = declared(source)
    if names is None:
        assert not defines_names(source), f"{source.name} defines names and has no __all__"
        return
    module = importlib.import_module(source.module)
    exported = list(module.__all__)
    assert [name for name in exported if not hasattr(module, name)] == []
    assert len(exported) == len(set(exported))


@pytest.mark.parametrize("source", MODULES, ids=lambda source: source.module)
def test_what_looks_public_is_exported(source: Source) -> None:
    names = declared(source) or []
    public = [
        node.name
        for node in source.tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
    ]
    assert [name for name in public if name not in names] == []
