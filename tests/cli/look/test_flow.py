"""`asyncflow check`, `show` and `graph`, and the same through a flow's own file."""

from __future__ import annotations

import json

import pytest

from tests.cli.place import Place, assert_golden


def test_check_says_that_all_is_well_on_stderr(place: Place) -> None:
    ended = place.run("check", place.flow("letters"))
    assert ended.stderr == "Validating Letters...\n    The graph looks good!\n"
    assert (ended.stdout, ended.code) == ("", 0)


def test_a_flows_own_file_without_a_command_is_checked(place: Place) -> None:
    ended = place.script("letters")
    assert ended.stderr == "Validating Letters...\n    The graph looks good!\n"
    assert (ended.stdout, ended.code) == ("", 0)


@pytest.mark.parametrize("flow", ["letters", "shapes"])
def test_show_tells_steps_docstrings_and_arrows(place: Place, flow: str) -> None:
    ended = place.run("show", place.flow(flow))
    assert_golden(f"show/{flow}", ended.stdout)
    assert (ended.stderr, ended.code) == ("", 0)
    assert place.script(flow, "show").stdout == ended.stdout


@pytest.mark.parametrize("form", ["dot", "mermaid"])
def test_graph_is_written_for_other_programs(place: Place, form: str) -> None:
    ended = place.run("graph", place.flow("shapes"), "--format", form)
    assert_golden(f"graph/shapes-{form}", ended.stdout)
    assert (ended.stderr, ended.code) == ("", 0)


def test_graph_as_json_has_every_step(place: Place) -> None:
    ended = place.run("graph", place.flow("shapes"), "--format", "json")
    graph = json.loads(ended.stdout)
    assert graph["flow"] == "Shapes"
    assert next(iter(graph["steps"])) == "start"
    assert graph["steps"]["start"]["matching_join"] == "join"
    assert (ended.stderr, ended.code) == ("", 0)


def test_a_class_of_several_is_named(place: Place) -> None:
    (place.root / "two.py").write_text(
        "from asyncflow import FlowSpec, step\n"
        + "".join(
            f"class {name}(FlowSpec):\n"
            "    @step\n    def start(self):\n        self.next(self.end)\n"
            "    @step\n    def end(self):\n        pass\n"
            for name in ("One", "Two")
        )
    )
    assert place.run("check", "two.py").code == 2
    assert place.run("check", "two.py", "--class", "Two").stderr.startswith("Validating Two...\n")
    assert place.run("check", "two.py:One").stderr.startswith("Validating One...\n")
