"""Runs a case, and says all that is compared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.differential.cases import Case

__all__ = ["RECORDED", "run_case"]

RECORDED = Path(__file__).with_name("recorded.json")
_CHECKOUT = Path(__file__).parents[2]
_MESSAGES = (
    "Workflow starting (run-id",
    "Task is starting.",
    "Task is starting (retry).",
    "Task fallback is starting to handle the failure.",
    "Foreach yields 3 child steps.",
    "Task finished successfully.",
    "Task failed.",
    "Workflow failed.",
    "Step failure:",
    "Done!",
    "Validity checker found an issue",
    "Unhandled artifacts in merge",
    "Missing artifacts in merge",
    "No such command",
    "ValueError: boom",
)
"""What people search a log for. asyncflow also says of every task that fails for good that it will not be retried."""


def run_case(case: Case, directory: Path, python: str = "") -> dict[str, Any]:  # Any: JSON
    """Run a case in an empty directory; return what is compared.

    Args:
        case: What to run.
        directory: Where.
        python: An interpreter that has Metaflow. Empty: run it under asyncflow.
    """
    (directory / "flow.py").write_text(case.source)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    environment = {**kept, "USER": "ada", "METAFLOW_USER": "ada", "PYTHONDONTWRITEBYTECODE": "1"}
    if not python:
        environment |= {"PYTHONPATH": str(_CHECKOUT), "DIFFERENTIAL_COMPAT": "1"}
    program = (
        [python, "flow.py", "--no-pylint"]
        if python
        else [sys.executable, "-m", "asyncflow.compat", "flow.py"]
    )
    ends = [_end(program, command, directory, environment) for command in case.commands]
    collector = str(Path(__file__).with_name("collect.py"))
    seen = subprocess.run(
        [python or sys.executable, collector],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {"commands": ends, "run": json.loads(seen.stdout.splitlines()[-1])}


def _end(
    program: Sequence[str], command: Sequence[str], directory: Path, environment: Mapping[str, str]
) -> dict[str, Any]:  # Any: JSON
    ended = subprocess.run(
        [*program, *command],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    text = ended.stdout + ended.stderr
    return {"code": ended.returncode, "messages": [message for message in _MESSAGES if message in text]}
