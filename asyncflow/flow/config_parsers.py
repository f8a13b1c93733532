"""Parsers for `Config(parser=...)`: YAML, and three ways to write down packages."""

from __future__ import annotations

import re
from typing import Any

from asyncflow.flow.given_configs import ConfigError

__all__ = [
    "conda_environment_yml_parser",
    "pyproject_toml_parser",
    "requirements_txt_parser",
    "yaml_parser",
]

_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?)\s*(.*)")


def yaml_parser(text: str) -> dict[str, Any]:
    """Read YAML. Needs PyYAML."""
    try:
        import yaml
    except ImportError:
        raise ConfigError("A config in YAML needs PyYAML", hint="Install it: pip install pyyaml") from None
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def requirements_txt_parser(text: str) -> dict[str, Any]:
    """Read requirements.txt; return `packages` and `python`, as @pypi takes them.

    Raises:
        ConfigError: A line is an option, or no requirement.
    """
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return _packages([line for line in lines if line])


def pyproject_toml_parser(text: str) -> dict[str, Any]:
    """Read `dependencies` and `requires-python` of pyproject.toml; return `packages` and `python`."""
    import tomllib

    project = tomllib.loads(text).get("project", {})
    found = _packages(project.get("dependencies", []))
    wanted = project.get("requires-python")
    return {**found, "python": _version(wanted)} if wanted else found


def conda_environment_yml_parser(text: str) -> dict[str, Any]:
    """Read a conda environment's `dependencies`; return `packages` and `python`, as @conda takes them.

    Raises:
        ConfigError: It has dependencies of pip, which @conda does not take.
    """
    packages: dict[str, str] = {}
    for line in yaml_parser(text).get("dependencies", []):
        if not isinstance(line, str):
            raise ConfigError("environment.yml has dependencies of pip", hint="Give those to @pypi.")
        name, _, version = line.strip().partition("=")
        packages[name.strip()] = version.strip(" =")
    python = packages.pop("python", None)
    return {"packages": packages, **({"python": python} if python else {})}


def _packages(lines: list[str]) -> dict[str, Any]:
    packages: dict[str, str] = {}
    for line in lines:
        match = _REQUIREMENT.fullmatch(line.partition(";")[0].strip())
        if line.startswith("-") or match is None:
            raise ConfigError(f"'{line:.100}' is no requirement", hint="Write one package a line: name==1.2")
        packages[match[1]] = _version(match[2])
    python = packages.pop("python", None)
    return {"packages": packages, **({"python": python} if python else {})}


def _version(specifier: str) -> str:
    """Return a version: `1.2` of `==1.2`; anything else as it stands."""
    text = specifier.replace(" ", "")
    return text[2:] if text.startswith("==") and "," not in text else text
