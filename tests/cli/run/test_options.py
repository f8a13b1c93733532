"""What `run` refuses before anything begins, and what it keeps of its options."""

from __future__ import annotations

import json

import pytest

from tests.cli.place import Place

USAGE = "Usage: asyncflow run letters.py [OPTIONS]\n"
TRY = "Try 'asyncflow run letters.py --help' for help.\n"

REFUSED = [
    (["--max-workers", "0"], "Invalid value for '--max-workers': 0 is not in the range x>=1."),
    (["--max-workers", "many"], "Invalid value for '--max-workers': 'many' is no whole number."),
    (["--max-num-splits", "0"], "Invalid value for '--max-num-splits': 0 is not in the range x>=1."),
    (["--tag", ""], "Invalid value for '--tag': a tag must not be empty"),
    (["--tag", " "], "Invalid value for '--tag': a tag must not be empty"),
    (["--tag", "x" * 501], "Invalid value for '--tag': a tag has at most 500 characters, this one has 501"),
    (["--failure-grace", "-1"], "Invalid value for '--failure-grace': -1.0 is not in the range x>=0."),
    (
        ["--ui", "fancy"],
        "Invalid value for '--ui': 'fancy' is not one of 'auto', 'tui', 'plain', 'json', 'none'.",
    ),
    (["--isolation", "vm"], "Invalid value for '--isolation': 'vm' is not one of 'fork', 'spawn'."),
    (["--times", "x"], "Invalid value for '--times': 'x' is not a valid integer."),
    (["--times"], "Option '--times' requires an argument."),
    (["stray"], "Got unexpected extra argument (stray)"),
]


@pytest.mark.parametrize(
    ("args", "message"), REFUSED, ids=lambda value: "_".join(value)[:30] if isinstance(value, list) else ""
)
def test_a_value_that_cannot_be_is_a_usage_error(place: Place, args: list[str], message: str) -> None:
    ended = place.run("run", place.flow("letters"), *args)
    assert (ended.stdout, ended.stderr, ended.code) == ("", f"{USAGE}Error: {message}\n{TRY}", 2)
    assert not (place.root / ".asyncflow").exists(), "nothing was begun"


def test_an_unknown_parameter_names_what_is_near(place: Place) -> None:
    ended = place.run("run", place.flow("letters"), "--tims", "3")
    assert ended.stderr.startswith(f"{USAGE}Error: No such option '--tims'.")
    assert "--times" in ended.stderr.splitlines()[1]
    assert (ended.stdout, ended.code) == ("", 2)


def test_a_parameter_before_the_file_says_where_it_belongs(place: Place) -> None:
    ended = place.run("run", "--times", "3", place.flow("letters"))
    assert ended.stderr == (
        "Usage: asyncflow run FLOW.py [OPTIONS]\n"
        "Error: No such option '--times'. A flow's own parameters stand after its file.\n"
        "Try 'asyncflow run --help' for help.\n"
    )
    assert ended.code == 2


def test_a_missing_parameter_is_named(place: Place) -> None:
    flow = place.root / "needs.py"
    flow.write_text(
        "from asyncflow import FlowSpec, Parameter, step\n"
        "class Needs(FlowSpec):\n"
        "    alpha = Parameter('alpha', required=True, type=float)\n"
        "    @step\n    def start(self):\n        self.next(self.end)\n"
        "    @step\n    def end(self):\n        pass\n"
    )
    ended = place.run("run", "needs.py")
    assert ended.stderr == (
        "Usage: asyncflow run needs.py [OPTIONS]\n"
        "Error: Missing option '--alpha'.\n"
        "Try 'asyncflow run needs.py --help' for help.\n"
    )
    assert (ended.stdout, ended.code) == ("", 2)


def test_no_file_is_a_usage_error(place: Place) -> None:
    ended = place.run("run")
    assert ended.stderr == (
        "Usage: asyncflow run FLOW.py [OPTIONS]\n"
        "Error: Missing argument FLOW.py.\n"
        "Try 'asyncflow run --help' for help.\n"
    )
    assert (ended.stdout, ended.code) == ("", 2)


def test_a_run_id_file_that_cannot_be_is_told_before_the_run(place: Place) -> None:
    ended = place.run("run", place.flow("letters"), "--run-id-file", "no/such/id")
    assert ended.stderr == (
        "Invalid command:\n"
        "    --run-id-file no/such/id: there is no directory HERE/no/such\n"
        "    mkdir -p HERE/no/such\n"
    )
    assert (ended.stdout, ended.code) == ("", 2)
    assert not (place.root / ".asyncflow").exists()


def test_a_step_larger_than_the_machine_is_refused_before_the_run(place: Place) -> None:
    ended = place.run("run", place.flow("letters"), "--with", "resources:cpu=4096")
    assert ended.stderr.startswith(
        "Not enough resources:\n    Step start asks for cpu=4096, and this machine has "
    )
    assert "    at letters.py:" in ended.stderr
    assert "        def start(self):\n" in ended.stderr
    assert (ended.stdout, ended.code) == ("", 2)
    assert not (place.root / ".asyncflow").exists()


@pytest.mark.slow
def test_tags_and_limits_are_recorded(place: Place) -> None:
    args = ["--tag", "b", "--tag", "a", "--tag", "b", "--max-workers", "3", "--keep-going", "--ui", "none"]
    assert place.run("run", place.flow("letters"), *args).code == 0
    row = json.loads(place.run("runs", "--json").stdout)[0]
    assert row["tags"] == ["a", "b"]
    assert row["meta"]["class"] == "Letters"
    assert row["meta"]["flow_file"].endswith("/letters.py")
