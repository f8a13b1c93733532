"""Can this release run a flow as its decorators ask for? Said before anything runs."""

from __future__ import annotations

import os

from asyncflow.errors import UserError
from asyncflow.flow.decorators.flow_level import flow_decorators_of
from asyncflow.flow.decorators.packages import Conda, CondaBase, Pypi, PypiBase
from asyncflow.flow.graph import FlowGraph, StepInfo

__all__ = ["ENVIRONMENT_VARIABLES", "NotThereError", "check_ability"]

ENVIRONMENT_VARIABLES = ("ASYNCFLOW_DEFAULT_ENVIRONMENT", "METAFLOW_DEFAULT_ENVIRONMENT")


class NotThereError(UserError):
    """A step asks for something that this release does not have."""

    headline = "Not there yet"


def check_ability(graph: FlowGraph, *, environment: str | None = None) -> None:
    """See that every step can run on this machine as it asks to.

    Args:
        graph: The flow's.
        environment: `local`: steps run with the packages that are installed, whatever @conda and @pypi say.

    Raises:
        NotThereError: One cannot; says which and what to do.
    """
    chosen = environment or next(
        (os.environ[name] for name in ENVIRONMENT_VARIABLES if os.environ.get(name)), None
    )
    for info in graph.steps.values():
        if chosen != "local":
            _check_packages(info)
    base = next(
        (one for one in flow_decorators_of(graph.flow_class) if isinstance(one, CondaBase | PypiBase)), None
    )
    if chosen != "local" and base is not None and not base.disabled and (base.packages or base.python):
        raise _no_packages(f"Flow {graph.name}", base.name, graph.where, "")


def _check_packages(info: StepInfo) -> None:
    for decorator in info.decorators:
        if isinstance(decorator, Conda | Pypi) and not decorator.disabled:
            raise _no_packages(f"Step {info.name}", decorator.name, info.where, info.source)


def _no_packages(what: str, name: str, where: str, source: str) -> NotThereError:
    return NotThereError(
        f"{what} has @{name}, and this release makes no environments",
        where=where,
        source=source,
        hint="To run it with what is installed here: ASYNCFLOW_DEFAULT_ENVIRONMENT=local, or "
        "`--environment local` after `python flow.py`.",
    )
