"""What nobody writes here, as far as ruff cannot say it. Each exception names its file."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.house.source import Source, called_name, sources

LOOSE_TASKS = ("create_task", "ensure_future", "gather", "call_later", "run_coroutine_threadsafe")

LOOSE_TASKS_ALLOWED = ("asyncflow/engine/embedded.py",)  # the engine's own task, awaited when it is left

BROAD_EXCEPT_ALLOWED = (
    "asyncflow/cli/",  # the last line
    "asyncflow/engine/embedded.py",  # what becomes of one run is told by its `wait`
    "asyncflow/cards/guard.py",  # a broken component becomes an error on the card
    "asyncflow/cards/plotly.py",  # what Kaleido raises without a browser is its own affair
    "asyncflow/cards/terminal/charts.py",  # numbers that a plotting library does not expect
    "asyncflow/cards/terminal/lines.py",  # a node that a library trips over is named, the rest is seen
    "asyncflow/cards/terminal/pictures.py",  # whatever Pillow finds wrong with somebody's bytes
    "asyncflow/cards/tables.py",  # a cell whose own code cannot show it
    "asyncflow/events/bus.py",  # a subscriber's callback
    "asyncflow/flow/failure.py",  # pickling runs the user's code
    "asyncflow/flow/reach.py",  # as above
    "asyncflow/runtime/exit_hook_main.py",  # the user's code
    "asyncflow/runtime/perform.py",  # a command's failure is a fact
    "asyncflow/store/unpicklable.py",  # the user's own pickling code, asked again to find the culprit
    "asyncflow/worker/",  # the user's code
)
"""Places that turn any failure into a value."""


def calls(source: Source) -> Iterator[ast.Call]:
    return (node for node in ast.walk(source.tree) if isinstance(node, ast.Call))


def caught_names(handler: ast.ExceptHandler) -> list[str]:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return [kind.id for kind in kinds if isinstance(kind, ast.Name)]


def reraises(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) for node in ast.walk(handler))


def test_no_task_outlives_its_scope() -> None:
    loose = [
        source.at(call)
        for source in sources()
        for call in calls(source)
        if called_name(call) in LOOSE_TASKS and source.name not in LOOSE_TASKS_ALLOWED
    ]
    assert loose == []


def test_only_the_terminal_prints() -> None:
    printing = [
        source.at(call)
        for source in sources()
        for call in calls(source)
        if isinstance(call.func, ast.Name)
        and call.func.id == "print"
        and source.name != "asyncflow/cli/terminal.py"
    ]
    assert printing == []


def test_no_bare_except() -> None:
    bare = [
        source.at(node)
        for source in sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert bare == []


def test_everything_is_caught_only_where_a_failure_becomes_a_value() -> None:
    broad = [
        source.at(node)
        for source in sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler)
        and {"Exception", "BaseException"} & set(caught_names(node))
        and not reraises(node)
        and not source.name.startswith(BROAD_EXCEPT_ALLOWED)
    ]
    assert broad == []


def test_the_machine_holds_no_set() -> None:
    in_machine = sources("asyncflow/machine")
    sets = [
        source.at(node)
        for source in in_machine
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Set | ast.SetComp)
        or (isinstance(node, ast.Call) and called_name(node) in ("set", "frozenset"))
    ]
    assert sets == []


def test_no_global_state_is_rebound() -> None:
    bound = [
        source.at(node)
        for source in sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Global)
    ]
    assert bound == []


def test_no_unfinished_business() -> None:
    words = ("TODO", "FIXME", "XXX")
    found = [
        f"{source.name}:{number}"
        for source in sources()
        for number, line in enumerate(source.path.read_text().splitlines(), start=1)
        if any(f"# {word}" in line for word in words)
    ]
    stubs = [
        source.at(node)
        for source in sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Raise) and "NotImplementedError" in ast.dump(node)
    ]
    assert found + stubs == []


def test_unit_tests_mock_nothing_of_ours() -> None:
    mocking = [
        source.at(node)
        for source in sources("tests")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and "unittest.mock" in (getattr(node, "module", None) or "", *(alias.name for alias in node.names))
    ]
    assert mocking == []
