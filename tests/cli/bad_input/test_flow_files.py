"""Flow files that cannot be run, and graphs that break a rule: one clear message each, with file and line."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

import pytest

from asyncflow.flow.errors import LintError
from asyncflow.flow.lint import RULES, check
from asyncflow.flow.load import load_flow
from asyncflow.flow.parse import parse_flow
from tests.cli.bad_input.bad_flows import BAD_GRAPHS
from tests.cli.place import Place, assert_golden

HEAD = "from asyncflow import FlowSpec, Parameter, step\n"
GOOD = (
    "class Good(FlowSpec):\n"
    "    @step\n    def start(self):\n        self.next(self.end)\n"
    "    @step\n    def end(self):\n        pass\n"
)

FILES = {
    "syntax-error": (f"{HEAD}class Bad(FlowSpec:\n    pass\n", 2),
    "missing-module": (f"import no_such_module\n{HEAD}{GOOD}", 2),
    "missing-name": (f"from asyncflow import FlowSpex\n{GOOD}", 2),
    "calls-sys-exit": (f"import sys\n{HEAD}{GOOD}sys.exit(3)\n", 2),
    "raises": (f"{HEAD}{GOOD}1 / 0\n", 2),
    "no-flow": ("x = 1\n", 2),
    "several-flows": (HEAD + GOOD + GOOD.replace("Good", "Other"), 2),
    "reserved-parameter": (f"{HEAD}class Bad(FlowSpec):\n    p = Parameter('max-workers')\n", 2),
    "wrong-default": (
        f"{HEAD}class Bad(FlowSpec):\n    p = Parameter('p', type=int, default='x')\n{GOOD[22:]}",
        2,
    ),
    "not-python": ("%PDF-1.4\n", 2),
    "empty": ("", 2),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("command", ["run", "check"])
def test_a_file_that_is_no_flow_is_told(place: Place, name: str, command: str) -> None:
    source, code = FILES[name]
    (place.root / "bad.py").write_text(source)
    ended = place.run(command, "bad.py")
    if (name, command) == ("wrong-default", "check"):
        assert ended.code == 0, "a default is a value, which is read when a run begins"
        return
    assert ended.stdout == ""
    assert ended.code == code, ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (place.root / ".asyncflow").exists()
    if command == "run":
        assert_golden(f"bad_files/{name}", ended.stderr)


@pytest.mark.parametrize("rule", BAD_GRAPHS)
def test_a_graph_that_breaks_a_rule_is_told_with_its_line(place: Place, rule: str) -> None:
    (place.root / "bad.py").write_text(f"{BAD_GRAPHS[rule].strip()}\n")
    checked = place.run("check", "bad.py")
    ran = place.run("run", "bad.py")
    assert ran.stderr == checked.stderr.partition("\n")[2], "the same, but that it was to be checked"
    assert (checked.stdout, checked.code, ran.stdout, ran.code) == ("", 1, "", 1)
    assert re.search(r"^    at bad\.py:\d+", ran.stderr, re.MULTILINE)
    assert_golden(f"lint/{rule}", ran.stderr)


@pytest.mark.parametrize("rule", BAD_GRAPHS)
def test_a_bad_flow_breaks_the_rule_it_is_for(tmp_path: Path, rule: str) -> None:
    file = tmp_path / f"bad_{rule}.py"
    file.write_text(f"{BAD_GRAPHS[rule].strip()}\n")
    with pytest.raises(LintError) as raised:
        check(parse_flow(load_flow(str(file))))
    assert raised.value.rule == rule


def test_every_rule_has_a_bad_flow() -> None:
    assert sorted(BAD_GRAPHS) == sorted(rule.id for rule in RULES if rule.id not in ("D1",))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nope.py"], "nope.py does not exist"),
        (["."], ". is a directory, not a file"),
        (["bad\x1b[2J.py"], "bad\\x1b[2J.py does not exist"),
    ],
)
def test_a_file_that_is_not_there_is_told(place: Place, args: list[str], message: str) -> None:
    ended = place.run("run", *args)
    assert ended.stderr == (
        f"The flow cannot be loaded:\n    {message}\n    Give the Python file that defines the flow.\n"
    )
    assert (ended.stdout, ended.code) == ("", 2)


def test_a_class_that_is_not_there_is_told(place: Place) -> None:
    ended = place.run("run", place.flow("letters"), "--class", "Leters")
    assert (
        ended.stderr == "The flow cannot be loaded:\n    letters.py has no flow Leters\n    It has: Letters\n"
    )
    assert (ended.stdout, ended.code) == ("", 2)


def test_a_decorator_that_does_not_exist_is_told(place: Place) -> None:
    ended = place.run("run", place.flow("letters"), "--with", "rety")
    assert ended.stderr.startswith(
        "Unknown step decorator:\n    Unknown step decorator 'rety' in --with rety\n"
    )
    assert "Did you mean retry?" in ended.stderr
    assert (ended.stdout, ended.code) == ("", 2)


def test_a_parameter_function_that_raises_is_told(place: Place) -> None:
    source = textwrap.dedent("""\
        from asyncflow import FlowSpec, Parameter, step


        class Bad(FlowSpec):
            p = Parameter("p", default=lambda context: 1 / 0)

            @step
            def start(self):
                self.next(self.end)

            @step
            def end(self):
                pass
        """)
    (place.root / "bad.py").write_text(source)
    ended = place.run("run", "bad.py")
    assert ended.stderr.startswith(
        "Parameter field failed:\n"
        "    The function given as default of parameter 'p' raised ZeroDivisionError: division by zero\n"
        "    at bad.py:5\n"
    )
    assert (ended.stdout, ended.code) == ("", 2)


def test_a_bug_of_ours_is_told_without_a_traceback(place: Place) -> None:
    code = (
        "from asyncflow.cli import main\n"
        "def broken():\n    raise RuntimeError('a bug \\x1b[2J')\n"
        "raise SystemExit(main.execute(broken, ['run', '--secret=hunter2'], program='asyncflow'))"
    )
    place.extra["TMPDIR"] = str(place.root)
    ended = place.run("run", "--secret=hunter2", "--key", "hunter2", program=(sys.executable, "-c", code))
    assert ended.stderr == (
        "Internal error (a bug in asyncflow):\n"
        "    RuntimeError: a bug \\x1b[2J\n"
        "    The traceback is in CRASHFILE\n"
        "    Please report it with that file. What ran is recorded: see asyncflow runs\n"
    )
    assert (ended.stdout, ended.code) == ("", 1)
    story = next(place.root.glob("asyncflow-crash-*.txt"))
    assert story.stat().st_mode & 0o077 == 0
    text = story.read_text()
    assert "command: run --secret --key\n" in text
    assert "RuntimeError: a bug" in text
    assert "hunter2" not in text, "values that were given may be secrets"
