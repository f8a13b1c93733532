"""From a file to a flow: found, imported, or refused in one clear message."""

from __future__ import annotations

import pickle
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asyncflow.errors import ExitCode
from asyncflow.flow.errors import DecoratorAttributeError, FlowLoadError
from asyncflow.flow.load import load_flow
from asyncflow.flow.spec import FlowSpec

FLOW = "from asyncflow import FlowSpec, step\nclass {0}(FlowSpec):\n    @step\n    def start(self): pass\n"

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    path, modules = list(sys.path), dict(sys.modules)

    def write(text: str, name: str = "made_one.py") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - set(modules):
        if name.startswith(("made_", "flow_")):
            del sys.modules[name]


def refusal(path: str, class_name: str | None = None) -> FlowLoadError:
    with pytest.raises(FlowLoadError) as caught:
        load_flow(path, class_name)
    assert caught.value.exit_code == ExitCode.USAGE
    assert caught.value.hint
    return caught.value


def test_the_only_flow_of_a_file_is_loaded_under_the_files_name(write: Write) -> None:
    flow = load_flow(write(FLOW.format("F")))
    assert issubclass(flow, FlowSpec)
    assert (flow.__name__, flow.__module__) == ("F", "made_one")
    assert flow(use_cli=False).script_name == "made_one.py"


def test_what_the_file_defines_can_be_pickled_and_its_neighbours_imported(write: Write) -> None:
    write("VALUE = 41", "made_neighbour.py")  # type: ignore[call-arg]
    flow = load_flow(
        write(FLOW.format("F") + "import made_neighbour\nclass Point:\n    x = made_neighbour.VALUE + 1\n")
    )
    point = sys.modules[flow.__module__].Point()
    assert pickle.loads(pickle.dumps(point)).x == 42


def test_a_file_called_like_a_foreign_module_does_not_replace_it(write: Write) -> None:
    import statistics

    flow = load_flow(write(FLOW.format("F"), "statistics.py"))  # type: ignore[call-arg]
    assert flow.__module__ == "flow_statistics"
    assert sys.modules["statistics"] is statistics
    dashed = load_flow(write(FLOW.format("F"), "my-flow.py"))  # type: ignore[call-arg]
    assert dashed.__module__ == "flow_my_flow"


def test_a_file_edited_and_loaded_again_is_the_new_one(write: Write) -> None:
    assert load_flow(write(FLOW.format("F"))).__name__ == "F"
    assert load_flow(write(FLOW.format("G"))).__name__ == "G"


def test_a_script_without_guard_can_be_loaded(write: Write) -> None:
    assert load_flow(write(FLOW.format("F") + "F()\n")).__name__ == "F"


def test_of_several_flows_one_is_named_and_bases_do_not_count(write: Write) -> None:
    two = write(FLOW.format("A") + FLOW.format("B"))
    error = refusal(two)
    assert "defines several flows: A, B" in error.message
    assert error.hint.endswith("made_one.py:A")
    assert load_flow(two, "B").__name__ == "B"
    assert "has no flow C" in refusal(two, "C").message
    assert load_flow(write(FLOW.format("Base") + "class D(Base): pass\n")).__name__ == "D"


def test_an_imported_flow_counts_only_when_the_file_has_none_of_its_own(write: Write) -> None:
    write(FLOW.format("Far"), "made_far.py")  # type: ignore[call-arg]
    assert load_flow(write("from made_far import Far\n")).__name__ == "Far"
    assert load_flow(write("from made_far import Far\n" + FLOW.format("Near"))).__name__ == "Near"


def test_a_missing_file_a_directory_and_a_file_without_flow_are_refused(write: Write, tmp_path: Path) -> None:
    assert "does not exist" in refusal(str(tmp_path / "nope.py")).message
    assert "is a directory" in refusal(str(tmp_path)).message
    assert "defines no flow" in refusal(write("x = 1\n")).message
    assert "has no flow F" in refusal(write("x = 1\n"), "F").message


@pytest.mark.parametrize(
    ("text", "message", "line", "source"),
    [
        ("x = 1\ndef f(:\n", r"Syntax error: ", 2, "def f(:"),
        ("\nimport no_such_module_at_all\n", r"needs module 'no_such_module_at_all', which is not", 2,
         "import no_such_module_at_all"),
        ("import sys\n\nsys.exit(3)\n", r"calls sys\.exit\(3\) when it is imported", 3, "sys.exit(3)"),
        ("def f():\n    return 1 / 0\n\nx = f()\n", r"raises ZeroDivisionError when .*: division by zero", 2,
         "return 1 / 0"),
        ("raise ValueError\n", r"raises ValueError when it is imported$", 1, "raise ValueError"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_imported_is_explained_with_its_line(
    text: str, message: str, line: int, source: str, write: Write
) -> None:
    error = refusal(write(text))
    assert re.search(message, error.message)
    assert (error.where.rpartition(":")[2], error.source) == (str(line), source)
    assert "made_one" not in sys.modules


def test_a_file_in_a_wrong_encoding_is_explained(write: Write, tmp_path: Path) -> None:
    (tmp_path / "made_latin.py").write_bytes(b"x = '\xff'\n")
    assert "Syntax error" in refusal(str(tmp_path / "made_latin.py")).message


def test_errors_of_decorators_and_interrupts_pass_through(write: Write) -> None:
    body = "class F(FlowSpec):\n    @retry(tmes=2)\n    @step\n    def start(self): pass\n"
    with pytest.raises(DecoratorAttributeError, match="@retry has no attribute 'tmes'") as caught:
        load_flow(write("from asyncflow import *\n" + body))
    assert caught.value.where.endswith("made_one.py:3")
    with pytest.raises(KeyboardInterrupt):
        load_flow(write("raise KeyboardInterrupt\n"))
