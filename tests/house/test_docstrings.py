"""A stranger finds a sentence at every public name."""

from __future__ import annotations

import ast

from tests.house.source import public_definitions, sources

LEAST_SHARE = 0.95
"""Of all public names."""


def test_every_module_says_what_it_is() -> None:
    silent = [source.name for source in sources() if not ast.get_docstring(source.tree)]
    assert silent == []


def test_public_names_have_a_docstring() -> None:
    public = [(source, name, node) for source in sources() for name, node in public_definitions(source)]
    silent = [f"{source.at(node)} {name}" for source, name, node in public if not ast.get_docstring(node)]
    assert len(silent) <= (1 - LEAST_SHARE) * len(public), "\n".join(silent)


def test_every_event_fact_command_and_error_has_a_docstring() -> None:
    files = [f"asyncflow/machine/{name}.py" for name in ("events", "facts", "commands", "outcome")]
    classes = [
        (source, node)
        for source in sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ClassDef) and (source.name in files or _is_error(node))
    ]
    assert classes
    assert [f"{source.at(node)} {node.name}" for source, node in classes if not ast.get_docstring(node)] == []


def _is_error(node: ast.ClassDef) -> bool:
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    return any(base.endswith(("Error", "Exception")) for base in bases)
