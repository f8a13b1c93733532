"""What is recorded of a run for readers, and for `resume`: where its flow is, and how it was started."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from asyncflow.version import __version__

__all__ = ["describe_run"]


def describe_run(
    flow_class: type,
    flow_file: str,
    *,
    argv: Sequence[str],
    with_specs: Sequence[str] = (),
    isolation: str = "fork",
    async_workers: int = 1,
) -> dict[str, Any]:  # Any: JSON-like
    """Return a run's metadata, JSON-like."""
    return {
        "flow_file": flow_file,
        "class": flow_class.__name__,
        "argv": list(argv),
        "cwd": os.getcwd(),
        "with": list(with_specs),
        "isolation": isolation,
        "async_workers": async_workers,
        "versions": {
            "asyncflow_version": __version__,
            "python_version": ".".join(str(part) for part in sys.version_info[:3]),
        },
    }
