"""Shell completion: what a shell is offered when it asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.place import Place


def offered(place: Place, words: str) -> set[str]:
    """Return what bash would offer for the last of these words."""
    asked = {
        "_ASYNCFLOW_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    ended = Place(place.root, {**place.extra, **asked}).run()
    assert ended.code == 0, ended.stderr
    return {line.partition(",")[2] for line in ended.stdout.splitlines() if line}


def test_commands_options_and_runs_are_offered(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert offered(place, "asyncflow ru") == {"run", "runs"}
    assert "--follow" in offered(place, "asyncflow logs --f")
    assert offered(place, "asyncflow logs ") == set()  # there is no store yet
    assert place.run("run", place.flow("letters"), "--ui", "none").code == 0
    assert offered(place, "asyncflow logs ") == {"latest", "1"}
    assert offered(place, "asyncflow why l") == {"latest"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_own_lines(tmp_path: Path, shell: str) -> None:
    ended = Place(tmp_path).run("completion", shell)
    assert ended.code == 0
    assert "_ASYNCFLOW_COMPLETE" in ended.stdout


def test_another_shell_is_refused(tmp_path: Path) -> None:
    ended = Place(tmp_path).run("completion", "ksh")
    assert (ended.code, "bash, zsh, fish" in ended.stderr) == (2, True)
