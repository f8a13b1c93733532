"""Which real servers a test needs, and what becomes of it without them.

    pytestmark = pytest.mark.needs("docker")      the test is skipped by name, and listed in the end
    place = needed.require("radosgw")             the same within a fixture; gives what a client has to know

With ASYNCFLOW_NO_SKIP=1, as CI sets it, a test whose server is missing fails. `make services` starts them all.
"""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

SERVICES = ("docker", "radosgw", "slurm", "slurm-netns", "chromium", "kubectl", "podman")
_SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "services"
_missed: Counter[str] = Counter()


@cache
def environment(service: str) -> dict[str, str] | None:
    """Return what a client of a service has to know, as `scripts/services env` says it. None: it is not up."""
    if service not in SERVICES:
        raise ValueError(f"no such service: {service} (there are {', '.join(SERVICES)})")
    done = subprocess.run(
        [str(_SCRIPT), "env", service], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    if done.returncode != 0:
        return None
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def require(service: str) -> dict[str, str]:
    """Return what a client of a service has to know; skip the test if it is not up, or fail it."""
    told = environment(service)
    if told is not None:
        return told
    reason = f"needs {service}, which is not up: make services"
    if os.environ.get("ASYNCFLOW_NO_SKIP", "") not in ("", "0"):
        pytest.fail(f"{reason} (ASYNCFLOW_NO_SKIP is set)", pytrace=False)
    _missed[service] += 1
    pytest.skip(reason)


def require_marked(item: pytest.Item) -> None:
    """Require what a test's `needs` marks name."""
    for mark in item.iter_markers("needs"):
        for service in mark.args:
            require(service)


def summary() -> list[str]:
    """Return a line for each service for want of which tests were skipped."""
    return [
        f"{count} test{'s' * (count > 1)} SKIPPED for want of {service} (make services starts it)"
        for service, count in sorted(_missed.items())
    ]
