"""Ratchets: files and functions stay small. Tighten a number when there is room; never loosen one."""

from __future__ import annotations

from statistics import quantiles

from tests.house.source import functions, length_without_docstring, sources

LONGEST_FUNCTION = 60
LONGEST_FUNCTION_P90 = 20
LONG_FUNCTION = 50
LONG_FUNCTIONS_SHARE = 0.01
LONGEST_FILE = 500
LONGEST_FILE_P90 = 300
MOST_POSITIONAL = 5


def p90(values: list[int]) -> float:
    return quantiles(values, n=10)[-1]


def test_functions_are_short() -> None:
    lengths = {
        f"{source.at(node)} {node.name}": length_without_docstring(node)
        for source in sources()
        for node in functions(source)
    }
    assert [name for name, length in lengths.items() if length > LONGEST_FUNCTION] == []
    long = [name for name, length in lengths.items() if length > LONG_FUNCTION]
    assert len(long) <= LONG_FUNCTIONS_SHARE * len(lengths), long
    assert p90(list(lengths.values())) <= LONGEST_FUNCTION_P90


def test_files_are_short() -> None:
    lengths = {source.name: source.lines for source in sources()}
    assert [name for name, length in lengths.items() if length > LONGEST_FILE] == []
    assert p90(list(lengths.values())) <= LONGEST_FILE_P90


def test_functions_take_few_positional_arguments() -> None:
    greedy = [
        f"{source.at(node)} {node.name}"
        for source in sources()
        for node in functions(source)
        if len([*node.args.posonlyargs, *node.args.args]) - len(node.args.defaults) > MOST_POSITIONAL + 1
    ]
    assert greedy == []
