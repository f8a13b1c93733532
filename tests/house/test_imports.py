"""Who may import what, as far as import-linter's contracts in pyproject.toml cannot say it."""

from __future__ import annotations

import ast
import subprocess
import sys

from tests.house.source import ROOT, Source, sources

HEAVY = ("aiosqlite", "anyio", "asyncio", "click", "msgpack", "numpy", "pandas", "rich", "sqlite3", "textual")
"""None of these comes with `import asyncflow`."""

MOST_MODULES = 120
"""More than `python -S -c pass` has, after `import asyncflow`."""

IMPURE = (
    "asyncio",
    "datetime",
    "io",
    "logging",
    "os",
    "random",
    "secrets",
    "socket",
    "sqlite3",
    "subprocess",
)
IMPURE += ("tempfile", "threading", "time", "uuid")


def imported_modules(source: Source) -> list[tuple[ast.stmt, str]]:
    found: list[tuple[ast.stmt, str]] = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            found += [(node, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node, node.module or ""))
    return found


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_machine_imports_itself_and_the_pure_part_of_the_standard_library() -> None:
    pure = sys.stdlib_module_names - set(IMPURE)
    strangers = [
        f"{source.at(node)} imports {module}"
        for source in sources("asyncflow/machine")
        for node, module in imported_modules(source)
        if not module.startswith(("asyncflow.machine", "asyncflow.records"))
        and module.partition(".")[0] not in pure
    ]
    assert strangers == []


def test_import_asyncflow_brings_nothing_heavy() -> None:
    loaded = run_python("import asyncflow, sys; print(*sys.modules)").split()
    assert [name for name in HEAVY if name in loaded] == []


def test_import_asyncflow_brings_few_modules() -> None:
    bare = int(run_python("import sys; print(len(sys.modules))"))
    loaded = int(run_python("import asyncflow, sys; print(len(sys.modules))"))
    assert loaded - bare <= MOST_MODULES


def test_authoring_a_flow_brings_no_scheduler_and_no_store() -> None:
    code = "from asyncflow import FlowSpec, Parameter, step, retry, current; import sys; print(*sys.modules)"
    loaded = run_python(code).split()
    rooms = ("backends", "cli", "events", "runtime", "store", "testing")
    assert [room for room in rooms if f"asyncflow.{room}" in loaded] == []
    assert [name for name in ("asyncio", "numpy", "rich", "sqlite3") if name in loaded] == []
