"""`@project`: runs of a flow belong to a project and to a branch of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

from asyncflow.flow.decorators.flow_level import Flow, FlowDecorator, decorate_flow, flow_decorator
from asyncflow.flow.errors import DecoratorAttributeError
from asyncflow.records import record

__all__ = ["Project", "ProjectBranch", "branch_of", "project"]

_NAME = re.compile(r"[a-z0-9_]{1,128}")
_BRANCH = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@record(slots=False)
class Project(FlowDecorator):
    """The flow belongs to a project."""

    name: ClassVar[str] = "project"
    project_name: str = ""
    branch: str | None = None
    production: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.project_name, str) or not _NAME.fullmatch(self.project_name):
            raise DecoratorAttributeError(
                f"@project has name={self.project_name!r:.100}",
                hint="1 to 128 lower-case letters, digits and _.",
            )
        if self.branch is not None and not _is_branch(self.branch):
            self.refuse("branch", "a name of letters, digits, _, - and .")

    def attributes(self) -> dict[str, Any]:  # Any: JSON-like
        """Return every attribute with its value, as it is written: `name` is the project's."""
        return {"name": self.project_name, "branch": self.branch, "production": self.production}


@record
class ProjectBranch:
    """To what a run belongs. `current` shows it, and the run's tags say it."""

    project_name: str
    branch_name: str
    """`user.NAME`, `test.BRANCH`, `prod` or `prod.BRANCH`."""
    project_flow_name: str
    is_user_branch: bool
    is_production: bool

    @property
    def tags(self) -> tuple[str, str]:
        """The system's tags of its runs."""
        return f"project:{self.project_name}", f"project_branch:{self.branch_name}"


def project(name: str, branch: str | None = None, production: bool = False) -> Callable[[Flow], Flow]:
    """Let the flow's runs belong to a project; `--branch` and `--production` say which branch.

    Args:
        name: 1 to 128 lower-case letters, digits and underscores.
        branch: The branch, where the command line says none.
        production: Runs are of production, also where the command line does not say so.
    """
    return decorate_flow(Project, {"project_name": name, "branch": branch, "production": production})


def branch_of(
    flow_class: type, *, user: str, branch: str | None = None, production: bool = False
) -> ProjectBranch | None:
    """Return to what a run of the flow belongs; None if the flow has no @project.

    Raises:
        DecoratorAttributeError: The flow has none and a branch is asked for, the branch is no name, or the
            decorator says another one.
    """
    decorator = flow_decorator(flow_class, Project)
    if decorator is None:
        if branch or production:
            raise DecoratorAttributeError(
                f"Flow {flow_class.__name__} has no @project, so it has no branches",
                hint="Leave --branch and --production out, or put @project(name='...') above the class.",
            )
        return None
    if branch and not _is_branch(branch):
        raise DecoratorAttributeError(f"'{branch}' is no branch", hint="Letters, digits, _, - and . are.")
    if branch and decorator.branch and branch != decorator.branch:
        raise DecoratorAttributeError(
            f"--branch {branch} is not what @project says: {decorator.branch}", hint="Leave one of them out."
        )
    chosen = branch or decorator.branch
    is_production = production or decorator.production
    if is_production:
        name = f"prod.{chosen}" if chosen else "prod"
    else:
        name = f"test.{chosen}" if chosen else f"user.{user}"
    return ProjectBranch(
        project_name=decorator.project_name,
        branch_name=name,
        project_flow_name=f"{decorator.project_name}.{name}.{flow_class.__name__}",
        is_user_branch=not is_production and not chosen,
        is_production=is_production,
    )


def _is_branch(text: object) -> bool:
    return isinstance(text, str) and _BRANCH.fullmatch(text) is not None
