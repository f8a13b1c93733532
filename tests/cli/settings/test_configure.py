"""`asyncflow configure`: the file that stands for variables is shown, written, copied and removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": ""})


def test_what_is_set_counts_from_then_on(place: Place) -> None:
    assert place.run("configure", "set", "METAFLOW_USER=grace", "ASYNCFLOW_UI=plain").code == 0
    shown = place.run("configure", "show")
    assert shown.stdout == "ASYNCFLOW_UI = plain\nMETAFLOW_USER = grace\n"
    assert "home/.config/asyncflow/config.json" in shown.stderr
    place.run("configure", "set", "ASYNCFLOW_UI=")
    assert place.run("configure", "show").stdout == "METAFLOW_USER = grace\n"
    assert place.run("configure", "reset").code == 0
    assert "There is no configuration file" in place.run("configure", "show").stderr


def test_the_file_is_only_the_users_and_secrets_are_not_shown(place: Place) -> None:
    place.run("configure", "set", "METAFLOW_SERVICE_AUTH_KEY=abc")
    file = place.root / "home/.config/asyncflow/config.json"
    assert file.stat().st_mode & 0o077 == 0
    assert json.loads(file.read_text()) == {"METAFLOW_SERVICE_AUTH_KEY": "abc"}
    assert place.run("configure", "show").stdout == "METAFLOW_SERVICE_AUTH_KEY = (hidden)\n"


def test_a_profile_is_made_before_it_is_there_and_goes_to_others_as_a_file(place: Place) -> None:
    team = Place(place.root, {**place.extra, "METAFLOW_PROFILE": "team"})
    assert "no configuration of profile 'team'" in team.run("runs").stderr
    assert team.run("configure", "set", "METAFLOW_USER=grace").code == 0
    assert team.run("configure", "show").stdout == "METAFLOW_USER = grace\n"
    assert place.run("configure", "export", "team.json", "-p", "team").code == 0
    assert "--overwrite" in place.run("configure", "export", "team.json", "-p", "team").stderr
    assert place.run("configure", "import", "team.json", "-p", "copy").code == 0
    assert place.run("configure", "show", "-p", "copy").stdout == "METAFLOW_USER = grace\n"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("set", "foo"), "'foo' is no setting"),
        (("set", "foo=1"), "'foo=1' is no setting"),
        (("show", "-p", "a/b"), "'a/b' is no name for a profile"),
        (("import", "gone.json"), "There is no file gone.json"),
        (("reset",), "nothing is to be removed"),
    ],
)
def test_mistakes_are_told_in_words(place: Place, given: tuple[str, ...], told: str) -> None:
    ended = place.run("configure", *given)
    assert ended.code == 2
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_a_command_the_help_is_shown_once(place: Place) -> None:
    for words in ((), ("configure",), ("tag",), ("code",)):
        ended = place.run(*words)
        assert ended.code == 2
        assert ended.stderr.count("Usage:") == 1
        assert "Error" not in ended.stderr
