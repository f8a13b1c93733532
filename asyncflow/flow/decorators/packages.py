"""`@conda`, `@pypi` and their forms for a whole flow: which packages a step needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from asyncflow.flow.decorators.base import StepDecorator, decorate
from asyncflow.flow.decorators.flow_level import Flow, FlowDecorator, decorate_flow
from asyncflow.flow.errors import DecoratorAttributeError
from asyncflow.records import field, record

__all__ = ["Conda", "CondaBase", "Pypi", "PypiBase", "conda", "conda_base", "pypi", "pypi_base"]


@record(slots=False)
class Conda(StepDecorator):
    """The step runs with these packages of conda."""

    name: ClassVar[str] = "conda"
    packages: Mapping[str, str] = field(default_factory=dict[str, str])
    libraries: Mapping[str, str] = field(default_factory=dict[str, str])
    python: str | None = None
    disabled: bool | None = None

    def __post_init__(self) -> None:
        _check(self.name, self.packages, self.python)
        _check(self.name, self.libraries, None)


@record(slots=False)
class Pypi(StepDecorator):
    """The step runs with these packages of PyPI."""

    name: ClassVar[str] = "pypi"
    packages: Mapping[str, str] = field(default_factory=dict[str, str])
    python: str | None = None
    disabled: bool | None = None

    def __post_init__(self) -> None:
        _check(self.name, self.packages, self.python)


@record(slots=False)
class CondaBase(FlowDecorator):
    """Every step runs with these packages of conda."""

    name: ClassVar[str] = "conda_base"
    packages: Mapping[str, str] = field(default_factory=dict[str, str])
    libraries: Mapping[str, str] = field(default_factory=dict[str, str])
    python: str | None = None
    disabled: bool | None = None

    def __post_init__(self) -> None:
        _check(self.name, self.packages, self.python)
        _check(self.name, self.libraries, None)


@record(slots=False)
class PypiBase(FlowDecorator):
    """Every step runs with these packages of PyPI."""

    name: ClassVar[str] = "pypi_base"
    packages: Mapping[str, str] = field(default_factory=dict[str, str])
    python: str | None = None
    disabled: bool | None = None

    def __post_init__(self) -> None:
        _check(self.name, self.packages, self.python)


def conda(method: Any = None, /, **attributes: Any) -> Any:  # Any: the method, or what decorates one
    """Say which packages of conda a step needs: `packages={"numpy": "1.26"}`, `python`, `disabled`."""
    return decorate(Conda, method, attributes)


def pypi(method: Any = None, /, **attributes: Any) -> Any:  # Any: the method, or what decorates one
    """Say which packages of PyPI a step needs: `packages={"numpy": "1.26"}`, `python`, `disabled`."""
    return decorate(Pypi, method, attributes)


def conda_base(**attributes: Any) -> Callable[[Flow], Flow]:  # Any: as CondaBase has them
    """Say which packages of conda all steps need."""
    return decorate_flow(CondaBase, attributes)


def pypi_base(**attributes: Any) -> Callable[[Flow], Flow]:  # Any: as PypiBase has them
    """Say which packages of PyPI all steps need."""
    return decorate_flow(PypiBase, attributes)


def _check(name: str, packages: object, python: object) -> None:
    if not isinstance(packages, Mapping) or not all(
        isinstance(package, str) and isinstance(version, str) for package, version in packages.items()
    ):
        raise DecoratorAttributeError(
            f"@{name} has packages={packages!r:.100}",
            hint="A mapping of names to versions: {'numpy': '1.26.4'}",
        )
    if python is not None and not isinstance(python, str):
        raise DecoratorAttributeError(f"@{name} has python={python!r:.50}", hint="A text, such as '3.11'.")
