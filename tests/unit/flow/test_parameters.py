"""Parameters: declared, shown as options, converted, defaulted; and IncludeFile."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from asyncflow.errors import ExitCode
from asyncflow.flow.errors import ParameterError, ParameterFieldError, ParameterTypeError
from asyncflow.flow.include_file import IncludeFile
from asyncflow.flow.options import click_options, given_values, resolve_parameters
from asyncflow.flow.parameters import RESERVED_NAMES, JSONType, Parameter, parameters_of
from asyncflow.flow.spec import FlowSpec


def flow_with(**parameters: object) -> type[FlowSpec]:
    return type("F", (FlowSpec,), parameters)


def run(
    flow: type[FlowSpec], *args: str, env: dict[str, str] | None = None
) -> tuple[int, str, dict[str, Any]]:
    """Run a command with the flow's options; return exit code, output and resolved values."""
    seen: dict[str, Any] = {}

    @click.command(params=[*click_options(flow), click.Option(["--tag"], multiple=True)])
    def command(**params: Any) -> None:
        seen.update(resolve_parameters(flow, given_values(flow, params)))

    done = CliRunner().invoke(command, list(args), env=env)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output, seen


ALL = {
    "alpha": Parameter("learn-rate", default=0.5, help="how fast"),
    "count": Parameter("count", type=int),
    "flag": Parameter("flag", default=True),
    "doc": Parameter("doc", type=JSONType, default='{"a": [1]}'),
    "names": Parameter("names", default="a,b", separator=","),
    "level": Parameter("level", type=click.Choice(["low", "high"]), default="low"),
    "text": Parameter("text"),
}


def test_defaults_are_converted_and_what_has_none_is_none() -> None:
    code, _, values = run(flow_with(**ALL))
    assert code == 0
    assert values == {
        "alpha": 0.5, "count": None, "flag": True, "doc": {"a": [1]}, "names": ["a", "b"], "level": "low",
        "text": None,
    }  # fmt: skip


def test_given_values_are_converted() -> None:
    code, _, values = run(
        flow_with(**ALL), "--learn-rate", "2", "--count", "3", "--flag", "no", "--doc", "[1, null]",
        "--names", "x", "--level", "high", "--text", "7",
    )  # fmt: skip
    assert code == 0
    assert values == {
        "alpha": 2.0, "count": 3, "flag": False, "doc": [1, None], "names": ["x"], "level": "high", "text": "7",
    }  # fmt: skip
    assert type(values["alpha"]) is float


def test_help_shows_options_by_attribute_name_with_type_and_default() -> None:
    code, output, _ = run(flow_with(**ALL), "--help")
    lines = [line.split() for line in output.splitlines() if line.strip().startswith("--")]
    assert code == 0
    assert [" ".join(line[:2]) for line in lines][:7] == [
        "--learn-rate FLOAT", "--count INTEGER", "--doc JSON", "--flag BOOLEAN", "--level [low|high]",
        "--names TEXT", "--text TEXT",
    ]  # fmt: skip
    assert "how fast" in output
    assert "[default: 0.5]" in output
    assert '[default: {"a": [1]}]' in output


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--count", "x"), "'x' is not a valid integer"),
        (("--learn-rate", "fast"), "'fast' is not a valid float"),
        (("--flag",), "requires an argument"),
        (("--flag", "perhaps"), "'perhaps' is not a valid boolean"),
        (("--doc", "{a"), "is not JSON"),
        (("--level", "mid"), "'mid' is not one of"),
        (("--colour", "red"), "No such option"),
    ],
)
def test_a_wrong_value_is_a_usage_error(args: tuple[str, ...], words: str) -> None:
    code, output, _ = run(flow_with(**ALL), *args)
    assert (code, words in output) == (2, True), output


def test_a_missing_required_value_is_a_usage_error_unless_there_is_a_default() -> None:
    code, output, _ = run(flow_with(n=Parameter("n", type=int, required=True)))
    assert (code, "Missing option '--n'" in output) == (2, True)
    assert run(flow_with(n=Parameter("n", default=1, required=True)))[2] == {"n": 1}


def test_environment_variables_give_values_ours_first_and_the_command_line_wins() -> None:
    flow = flow_with(n=Parameter("my-n", type=int))
    both = {"ASYNCFLOW_RUN_MY_N": "1", "METAFLOW_RUN_MY_N": "2"}
    assert run(flow, env={"METAFLOW_RUN_MY_N": "2"})[2] == {"n": 2}
    assert run(flow, env=both)[2] == {"n": 1}
    assert run(flow, "--my-n", "3", env=both)[2] == {"n": 3}
    code, output, _ = run(flow, env={"ASYNCFLOW_RUN_MY_N": "x"})
    assert (code, "not a valid integer" in output) == (2, True)


def test_an_attribute_called_like_another_option_does_not_get_its_value() -> None:
    flow = flow_with(tag=Parameter("label", default="a"))
    assert run(flow, "--tag", "t")[2] == {"tag": "a"}


def test_a_function_as_default_is_called_with_the_context_only_when_needed() -> None:
    calls: list[Any] = []

    def default(context: Any) -> int:
        calls.append(context)
        return 7

    flow = flow_with(n=Parameter("my-n", type=int, default=default))
    assert run(flow, "--my-n", "1")[2] == {"n": 1}
    assert calls == []
    assert resolve_parameters(flow, {}, user="ada") == {"n": 7}
    context = calls[0]
    assert (context.flow_name, context.user_name, context.parameter_name, context.ds_type, context.configs) == (
        "F", "ada", "my-n", "local", {},
    )  # fmt: skip
    context.logger("said")
    assert "[default: (computed)]" in run(flow, "--help")[1]


@pytest.mark.parametrize(
    ("kind", "value"),
    [(int, "7"), (int, True), (int, 1.0), (str, 7), (float, "1"), (float, False), (bool, 1)],
)
def test_a_function_that_returns_another_type_is_refused(kind: type, value: object) -> None:
    with pytest.raises(ParameterTypeError, match=f"and not {kind.__name__}") as caught:
        resolve_parameters(flow_with(n=Parameter("n", type=kind, default=lambda ctx: value)), {})
    assert "test_parameters.py:" in caught.value.where


def test_functions_may_return_none_json_text_and_a_whole_number_for_a_float() -> None:
    flow = flow_with(
        a=Parameter("a", default=lambda ctx: None),
        b=Parameter("b", type=JSONType, default=lambda ctx: '{"x": 1}'),
        c=Parameter("c", type=float, default=lambda ctx: 2),
        d=Parameter("d", default=functools.partial(lambda text, ctx: text, "t")),
    )
    assert resolve_parameters(flow, {}) == {"a": None, "b": {"x": 1}, "c": 2.0, "d": "t"}


def test_a_function_that_raises_is_told_with_the_parameter_and_where_it_stands() -> None:
    flow = flow_with(n=Parameter("n", default=lambda ctx: 1 / 0), m=Parameter("m", default=1))
    with pytest.raises(ParameterFieldError, match="parameter 'n' raised ZeroDivisionError: division by zero"):
        resolve_parameters(flow, {})
    with pytest.raises(ParameterFieldError, match="TypeError") as caught:
        resolve_parameters(flow_with(n=Parameter("n", default=lambda: 1)), {})
    assert caught.value.exit_code == ExitCode.USAGE


def test_values_may_be_given_by_option_or_attribute_name_from_python() -> None:
    flow = flow_with(**ALL)
    assert resolve_parameters(flow, {"learn-rate": 1, "count": "4"})["count"] == 4
    assert resolve_parameters(flow, {"alpha": "1.5"})["alpha"] == 1.5
    with pytest.raises(ParameterError, match="no parameter 'learning-rate'") as caught:
        resolve_parameters(flow, {"learning-rate": 1})
    assert caught.value.hint == "Did you mean learn-rate?"
    with pytest.raises(ParameterError, match="Invalid value for --count: 'x' is not a valid integer"):
        resolve_parameters(flow, {"count": "x"})
    with pytest.raises(ParameterError, match="Missing parameter --n"):
        resolve_parameters(flow_with(n=Parameter("n", required=True)), {})


WRONG: list[tuple[str, Callable[[], object]]] = [
    ("cannot be the name", lambda: Parameter("two words")),
    ("cannot be the name", lambda: Parameter("-x")),
    ("cannot be the name", lambda: Parameter(3)),  # type: ignore[arg-type]
    ("'max_workers' is reserved", lambda: Parameter("max_workers")),
    ("'Tag' is reserved", lambda: Parameter("Tag")),
    ("unknown option 'defualt'", lambda: Parameter("x", defualt=1)),
    ("only default may be a function", lambda: Parameter("x", show_default=lambda ctx: True)),  # type: ignore[arg-type]
    ("separator, which is for texts only", lambda: Parameter("x", default=1, separator=",")),
    ("its default 1.5 is float", lambda: Parameter("x", type=int, default=1.5)),
    ("its default True is bool", lambda: Parameter("x", type=int, default=True)),
    ("its default 1 is int", lambda: Parameter("x", type=bool, default=1)),
    ("its default 1 is int", lambda: Parameter("x", type=str, default=1)),
    ("cannot be the class variable 'input'", lambda: flow_with(input=Parameter("x"))),
    ("is no path", lambda: IncludeFile("x", default=3)),
    ("has no option 'separator'", lambda: IncludeFile("x", separator=",")),
    ("has no option 'type'", lambda: IncludeFile("x", type=int)),
]


@pytest.mark.parametrize(("words", "declare"), WRONG, ids=[words for words, _ in WRONG])
def test_a_wrong_declaration_is_refused_where_it_stands(words: str, declare: Callable[[], object]) -> None:
    with pytest.raises(ParameterError) as caught:
        declare()
    assert words in caught.value.message
    assert "test_parameters.py:" in caught.value.where


def test_a_type_that_no_option_can_have_is_refused() -> None:
    flow = flow_with(x=Parameter("x", type=3))
    with pytest.raises(ParameterError, match="has the type 3, which no option can have"):
        click_options(flow)


def test_reserved_names_are_those_of_the_reference_and_ours() -> None:
    assert {
        "params",
        "with",
        "tag",
        "run-id-file",
        "max-num-splits",
        "runner-attribute-file",
    } <= RESERVED_NAMES


def test_two_parameters_with_one_option_are_refused() -> None:
    flow = flow_with(a=Parameter("my-x"), b=Parameter("MY_X"))
    with pytest.raises(ParameterError, match="share the option --MY_X: a and b"):
        parameters_of(flow)


def test_parameters_are_inherited_and_overridden() -> None:
    base = flow_with(a=Parameter("a", default=1), b=Parameter("b"), c=Parameter("c"))
    derived = type("D", (base,), {"a": Parameter("a", default=2), "c": 3})
    assert {name: item.default for name, item in parameters_of(derived).items()} == {"a": 2, "b": None}


def test_a_list_or_dict_default_makes_a_json_parameter() -> None:
    flow = flow_with(a=Parameter("a", default=[1, 2]), b=Parameter("b", default={"x": 1}))
    assert run(flow)[2] == {"a": [1, 2], "b": {"x": 1}}
    assert run(flow, "--a", "[3]")[2]["a"] == [3]


# --- IncludeFile ---


def test_a_file_becomes_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "d.txt"
    file.write_bytes("grün\r\n".encode())
    monkeypatch.setenv("HOME", str(tmp_path))
    flow = flow_with(
        text=IncludeFile("text", default=str(file)),
        raw=IncludeFile("raw", is_text=False, default=file),
        latin=IncludeFile("latin", encoding="latin-1", default=lambda ctx: str(file)),
        home=IncludeFile("home", default="~/d.txt"),
        parsed=IncludeFile("parsed", parser=len, default=str(file)),
        dotted=IncludeFile("dotted", parser="ast.literal_eval"),
        absent=IncludeFile("absent"),
    )
    number = tmp_path / "n"
    number.write_text("[1, 2]")
    assert run(flow, "--dotted", str(number))[2] == {
        "text": "grün\r\n",
        "raw": "grün\r\n".encode(),
        "latin": "grÃ¼n\r\n",
        "home": "grün\r\n",
        "parsed": 6,
        "dotted": [1, 2],
        "absent": None,
    }


def test_a_file_that_is_missing_a_directory_or_no_text_is_one_clear_error(tmp_path: Path) -> None:
    binary = tmp_path / "b.bin"
    binary.write_bytes(b"ab\xff")
    flow = flow_with(f=IncludeFile("f"))
    for path, words in [
        (str(tmp_path / "nope"), "nope cannot be read: No such file or directory"),
        (str(tmp_path), "cannot be read: Is a directory"),
        (str(binary), "is not a text in utf-8: invalid start byte at byte 2"),
        ("s3://b/k", "addresses are not supported"),
        ("a\0b", "cannot be read"),
    ]:
        with pytest.raises(ParameterError) as caught:
            resolve_parameters(flow, {"f": path})
        assert words in caught.value.message
        assert caught.value.exit_code == ExitCode.USAGE


def test_a_default_file_that_is_missing_is_an_error_only_when_used(tmp_path: Path) -> None:
    flow = flow_with(f=IncludeFile("f", default=str(tmp_path / "nope")))
    (tmp_path / "there").write_text("x")
    assert resolve_parameters(flow, {"f": str(tmp_path / "there")}) == {"f": "x"}
    with pytest.raises(ParameterError, match="cannot be read"):
        resolve_parameters(flow, {})


def test_a_parser_that_fails_or_cannot_be_found_is_told(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    given = {"f": str(tmp_path / "f")}
    with pytest.raises(ParameterFieldError, match="parser of --f raised ValueError"):
        resolve_parameters(flow_with(f=IncludeFile("f", parser=int)), given)
    with pytest.raises(ParameterError, match=r"parser 'no\.such\.thing', which cannot be found"):
        resolve_parameters(flow_with(f=IncludeFile("f", parser="no.such.thing")), given)
    with pytest.raises(ParameterError, match="unknown encoding 'klingon'"):
        resolve_parameters(flow_with(f=IncludeFile("f", encoding="klingon")), given)
