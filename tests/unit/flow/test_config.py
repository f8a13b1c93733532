"""Configs: read before all else, used in decorators and parameters, the same for every task, never changed."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from asyncflow import (
    Config,
    ConfigValue,
    FlowSpec,
    Parameter,
    conda_environment_yml_parser,
    config_expr,
    project,
    pyproject_toml_parser,
    requirements_txt_parser,
    resources,
    step,
    yaml_parser,
)
from asyncflow.flow.config import configs_of, plain_configs
from asyncflow.flow.decorators import decorators_of
from asyncflow.flow.decorators.flow_level import flow_decorators_of
from asyncflow.flow.given_configs import ConfigError, Given, GivenConfigs, giving, parse_given
from asyncflow.flow.options import resolve_parameters

SETTINGS = {"cpu": 2, "model": {"name": "forest", "sizes": [1, 2]}}


def test_a_config_is_walked_by_dots_and_brackets() -> None:
    value = ConfigValue(SETTINGS)
    assert (value.cpu, value.model.name, value["model"]["sizes"][1]) == (2, "forest", 2)
    assert {**value.model} == {"name": "forest", "sizes": [1, 2]}
    assert value == SETTINGS
    assert type(value.to_dict()["model"]) is dict
    with pytest.raises(AttributeError, match="no 'colour' here; it has cpu, model"):
        _ = value.colour
    with pytest.raises(KeyError):
        _ = value["colour"]


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.update(cpu=3),
        lambda value: value.pop("cpu"),
        lambda value: value.__setitem__("cpu", 3),
        lambda value: value.__delitem__("cpu"),
        lambda value: setattr(value, "cpu", 3),
        lambda value: value.model.sizes.append(3),
        lambda value: value["model"].clear(),
    ],
)
def test_nobody_changes_a_config(change: Any) -> None:
    value = ConfigValue(SETTINGS)
    with pytest.raises(TypeError, match="read-only"):
        change(value)
    assert value == SETTINGS


def test_a_config_is_pickled_and_written_as_json() -> None:
    value = ConfigValue(SETTINGS)
    assert pickle.loads(pickle.dumps(value)).model.sizes == [1, 2]
    assert json.loads(json.dumps(value)) == SETTINGS
    assert value.copy().model == value.model


def test_decorators_and_parameters_are_made_of_configs() -> None:
    @project(name=config_expr("settings.model.name"))
    class Base(FlowSpec):
        settings = Config("settings", default_value=SETTINGS)
        size = Parameter("size", default=settings.cpu)

        @resources(cpu=settings.cpu)
        @step
        def start(self) -> None:
            self.next(self.end)

        @step
        def end(self) -> None: ...

    class Derived(Base):
        twice = Parameter("twice", default=config_expr("settings.cpu * 2"))

        @resources(cpu=config_expr("settings.cpu + 1"))
        @step
        def start(self) -> None:
            self.next(self.end)

    assert [one.attributes()["cpu"] for one in decorators_of(Base, "start")] == [2]
    assert [one.attributes()["cpu"] for one in decorators_of(Derived, "start")] == [3]
    assert [one.attributes()["name"] for one in flow_decorators_of(Derived)] == ["forest"]
    assert resolve_parameters(Derived, {}) == {"size": 2, "twice": 4, "settings": SETTINGS}
    assert Derived(use_cli=False).settings.model.name == "forest"


def test_an_expression_that_cannot_be_evaluated_says_why() -> None:
    with pytest.raises(ConfigError, match=r"config_expr\('nothing.cpu'\) raised NameError"):

        class Broken(FlowSpec):
            @resources(cpu=config_expr("nothing.cpu"))
            @step
            def start(self) -> None: ...


def _flow(**options: Any) -> type[FlowSpec]:
    return type("Made", (FlowSpec,), {"it": Config("It", **options), "__module__": __name__})


def test_what_is_given_comes_before_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "it.json"
    file.write_text('{"from": "file"}')
    with giving(parse_given([("IT", str(file))], [])):
        assert plain_configs(_flow(default_value={"from": "default"})) == {"it": {"from": "file"}}
    with giving(parse_given([], [("it", '{"from": "text"}')])):
        assert plain_configs(_flow(default=str(file))) == {"it": {"from": "text"}}
    assert plain_configs(_flow(default=str(file))) == {"it": {"from": "file"}}
    assert plain_configs(_flow(default=lambda context: str(file))) == {"it": {"from": "file"}}
    assert plain_configs(_flow(default_value=lambda context: {"of": context.flow_name})) == {
        "it": {"of": "Made"}
    }
    assert plain_configs(_flow()) == {"it": None}
    monkeypatch.setenv("METAFLOW_FLOW_CONFIG_VALUE", '{"it": {"from": "environment"}}')
    assert plain_configs(_flow()) == {"it": {"from": "environment"}}
    monkeypatch.setenv("ASYNCFLOW_FLOW_CONFIG", json.dumps({"it": str(file)}))
    monkeypatch.delenv("METAFLOW_FLOW_CONFIG_VALUE")
    assert plain_configs(_flow()) == {"it": {"from": "file"}}


def test_a_final_value_is_taken_as_it_is() -> None:
    with giving(GivenConfigs({"it": Given(value=["x"], is_final=True)})):
        assert plain_configs(_flow(parser="no.such.parser")) == {"it": ["x"]}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"required": True}, "Config 'It' is missing"),
        ({"default": "/no/such.json"}, "cannot be read from /no/such.json: No such file"),
        ({"default_value": "{"}, "cannot be parsed"),
        ({"default_value": "[1]"}, "is list, not a mapping"),
        ({"default_value": "x", "parser": "no.such.parser"}, "ModuleNotFoundError"),
    ],
)
def test_a_config_that_cannot_be_read_says_why_and_where(options: dict[str, Any], said: str) -> None:
    flow = _flow(**options)
    with pytest.raises(ConfigError, match="Config 'It'") as caught:
        plain_configs(flow)
    assert said in caught.value.message
    assert __file__ in caught.value.where


def test_both_defaults_are_one_too_many() -> None:
    with pytest.raises(ConfigError, match="both a default and a default_value"):
        Config("it", default="a.json", default_value={})
    with pytest.raises(ConfigError, match="given twice"):
        parse_given([("it", "a")], [("IT", "b")])


def test_a_plain_config_may_be_anything() -> None:
    flow = _flow(default_value="1,2", plain=True, parser=lambda text: text.split(","))
    assert plain_configs(flow) == {"it": ["1", "2"]}
    assert flow(use_cli=False).it == ["1", "2"]
    assert list(configs_of(flow)) == ["it"]


def test_packages_are_read_as_decorators_take_them() -> None:
    wanted = {"packages": {"numpy": "1.26", "pandas[sql]": ">=2", "rich": ""}, "python": "3.11"}
    lines = "numpy == 1.26  # arrays\npandas[sql]>=2\n\nrich\npython==3.11\n"
    assert requirements_txt_parser(lines) == wanted
    project = (
        '[project]\ndependencies = ["numpy==1.26", "pandas[sql]>=2", "rich"]\nrequires-python = "==3.11"\n'
    )
    assert pyproject_toml_parser(project) == wanted
    with pytest.raises(ConfigError, match=r"'-r other.txt' is no requirement"):
        requirements_txt_parser("-r other.txt")


def test_yaml_is_read_where_there_is_pyyaml() -> None:
    pytest.importorskip("yaml")
    assert yaml_parser("a: {b: [1]}") == {"a": {"b": [1]}}
    environment = "dependencies:\n- numpy=1.26\n- python=3.11\n"
    assert conda_environment_yml_parser(environment) == {"packages": {"numpy": "1.26"}, "python": "3.11"}
    with pytest.raises(ConfigError, match="dependencies of pip"):
        conda_environment_yml_parser("dependencies:\n- pip:\n  - rich\n")
