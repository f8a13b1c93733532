"""The help of every command, kept as it reads, and commands that do not exist."""

from __future__ import annotations

import sys

import pytest

from asyncflow.cli.group import COMMANDS
from asyncflow.version import __version__
from tests.cli.place import Place, assert_golden


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "run"])
def test_help_reads_well(place: Place, name: str) -> None:
    ended = place.run(name, "--help")
    assert_golden(f"help/{name}", ended.stdout)
    assert (ended.stderr, ended.code) == ("", 0)
    first = ended.stdout.split("\n\n")[1].strip()
    assert first == COMMANDS[name].help, "the list of commands says the same"


def test_help_of_all_commands(place: Place) -> None:
    ended = place.run("--help")
    assert_golden("help/asyncflow", ended.stdout)
    assert (ended.stderr, ended.code) == ("", 0)


def test_no_command_shows_the_help(place: Place) -> None:
    ended = place.run()
    assert "Commands" in ended.stdout + ended.stderr or "resume" in ended.stdout + ended.stderr
    assert ended.code == 2


def test_help_loads_nothing_heavy(place: Place) -> None:
    code = (
        "import sys\n"
        "from asyncflow.cli import main\n"
        "main.execute(main.asyncflow_group, ['--help'], program='asyncflow')\n"
        "print([name for name in ('asyncio', 'anyio', 'sqlite3', 'rich', 'msgpack', 'numpy') if name in sys.modules])\n"
        "print([name for name in sys.modules if name.startswith('asyncflow.flow')])"
    )
    ended = place.run(program=(sys.executable, "-c", code))
    assert ended.stdout.splitlines()[-2:] == ["[]", "[]"]


@pytest.mark.parametrize("args", [["version"], ["--version"]])
def test_version_is_one_line(place: Place, args: list[str]) -> None:
    ended = place.run(*args)
    assert (ended.stdout, ended.stderr, ended.code) == (f"asyncflow {__version__}\n", "", 0)


@pytest.mark.parametrize(
    ("typed", "suggestion"),
    [("rnu", " Did you mean 'run'?"), ("zzz", ""), ("flow.py", " To run a flow: asyncflow run flow.py")],
)
def test_an_unknown_command_is_told(place: Place, typed: str, suggestion: str) -> None:
    ended = place.run(typed)
    assert ended.stderr == (
        "Usage: asyncflow [OPTIONS] COMMAND [ARGS]...\n"
        f"Error: No such command '{typed}'.{suggestion}\n"
        "Try 'asyncflow --help' for help.\n"
    )
    assert (ended.stdout, ended.code) == ("", 2)
