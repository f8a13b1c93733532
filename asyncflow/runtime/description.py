"""What is recorded of a run for readers, and for `resume`: where its flow is, and how it was started."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

from asyncflow.flow.config import configs_of
from asyncflow.flow.decorators.project import ProjectBranch
from asyncflow.records import fields
from asyncflow.settings import setting
from asyncflow.version import __version__

__all__ = ["describe_run", "recorded_origin", "recorded_project"]


def describe_run(
    flow_class: type,
    flow_file: str,
    *,
    argv: Sequence[str],
    with_specs: Sequence[str] = (),
    isolation: str = "fork",
    async_workers: int = 1,
    project: ProjectBranch | None = None,
) -> dict[str, Any]:  # Any: JSON-like
    """Return a run's metadata, JSON-like."""
    described: dict[str, Any] = {
        "flow_file": flow_file,
        "class": flow_class.__name__,
        "argv": list(argv),
        "cwd": os.getcwd(),
        "with": list(with_specs),
        "isolation": isolation,
        "async_workers": async_workers,
        "system_tags": [f"runtime:{setting('RUNTIME_NAME', 'dev')}"],
        "versions": {
            "asyncflow_version": __version__,
            "python_version": ".".join(str(part) for part in sys.version_info[:3]),
        },
    }
    configs = configs_of(flow_class)
    if configs:
        described["configs"] = {attribute: config.option_name for attribute, config in configs.items()}
    if project is not None:
        described["project"] = {item.name: getattr(project, item.name) for item in fields(ProjectBranch)}
        described["system_tags"] += project.tags
    return described


def recorded_origin(meta: Mapping[str, Any], *, in_place: bool) -> dict[str, Any]:  # Any: JSON-like
    """Return what a resumed run keeps of the metadata of the run it goes on with: what started it, and where it looks.

    Args:
        meta: The run's.
        in_place: It goes on under its own id, and so in its own namespace; a new run is in its user's.
    """
    kept = ("triggers", "namespace") if in_place else ("triggers",)
    return {name: meta[name] for name in kept if name in meta}


def recorded_project(meta: Mapping[str, Any]) -> ProjectBranch | None:  # Any: JSON-like
    """Return to what a run belongs, as `describe_run` has recorded it; None if it belongs to no project."""
    project = meta.get("project")
    return ProjectBranch(**cast("dict[str, Any]", project)) if isinstance(project, dict) else None
