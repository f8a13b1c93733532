"""Options that a flow has because of its decorators; in a flow's own file they may stand in front of the command."""

from __future__ import annotations

import click

__all__ = ["flow_options"]


def flow_options(flow_class: type) -> list[click.Option]:
    """Make the options that decorators of the flow bring: @project, @trigger_on_finish."""
    return [*_project_options(flow_class), *_trigger_options(flow_class)]


def _project_options(flow_class: type) -> list[click.Option]:
    """Make what only a flow with @project has."""
    from asyncflow.flow.decorators.flow_level import flow_decorator
    from asyncflow.flow.decorators.project import Project

    if flow_decorator(flow_class, Project) is None:
        return []
    return [
        click.Option(
            ["--branch"],
            metavar="NAME",
            envvar=["ASYNCFLOW_BRANCH", "METAFLOW_BRANCH"],
            help="The project's branch that the run belongs to.  [default: the user's own]",
        ),
        click.Option(
            ["--production"],
            is_flag=True,
            envvar=["ASYNCFLOW_PRODUCTION", "METAFLOW_PRODUCTION"],
            help="The run belongs to the project's production branch.",
        ),
    ]


def _trigger_options(flow_class: type) -> list[click.Option]:
    """Make what only a flow with @trigger_on_finish has."""
    from asyncflow.flow.decorators.flow_level import flow_decorator
    from asyncflow.flow.decorators.triggers import TriggerOnFinish

    if flow_decorator(flow_class, TriggerOnFinish) is None:
        return []
    return [
        click.Option(
            ["--trigger", "triggers"],
            multiple=True,
            metavar="Flow/RUN",
            help="Run as if this run had just finished: `current.trigger` shows it. May be repeated.",
        )
    ]
