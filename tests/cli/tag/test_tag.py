"""Tags that people put on runs."""

from __future__ import annotations

import pytest

from tests.cli.place import Place

pytestmark = pytest.mark.slow


def test_tags_are_put_on_and_taken_off(place: Place) -> None:
    assert place.run("run", place.flow("shapes")).code == 0
    assert place.run("tag", "add", "1", "good", "new").stderr == "Tags of run 1: good, new\n"
    assert place.run("tag", "remove", "latest", "new", "absent").stderr == "Tags of run 1: good\n"
    assert place.run("tag", "replace", "1", "--remove", "good", "--add", "best").code == 0
    listed = place.run("tag", "list", "1", "--hide-system-tags").stdout
    assert listed == "best\n"
    assert "user:ada" in place.run("tag", "list", "1").stdout.splitlines()


def test_a_tag_of_the_system_stays(history: Place) -> None:
    ended = history.run("tag", "remove", "1", "user:ada")
    assert ended.code == 2
    assert "keeps it" in ended.stderr


def test_replace_needs_both(history: Place) -> None:
    assert history.run("tag", "replace", "1", "--add", "x").code == 2


def test_a_flows_own_file_takes_its_latest_run(place: Place) -> None:
    assert place.script("letters", "run").code == 0
    assert place.script("letters", "tag", "add", "kept").code == 0
    assert "kept" in place.script("letters", "tag", "list", "--run-id", "1").stdout.splitlines()
    assert place.script("letters", "tag", "add", "--namespace", "user:nobody", "x").code == 2
