"""A step may fork. Only the process that was started for the attempt speaks for it."""

from __future__ import annotations

import pytest

from tests.chaos.commands import Workplace
from tests.faults.support import FLOW, assert_clear

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]


def test_a_copy_of_a_task_that_leaves_its_step_decides_nothing(place: Workplace) -> None:
    # Given steps whose copies succeed with another value, fail, and outlive the original
    ended = place.run("run", str(FLOW.with_name("forks.py")))
    # Then the first two are as their originals left them, and the third has failed with its original
    assert_clear(ended, "Step die .*failed", "exit code 3")
    assert "the copy leaves the step" in ended.stdout
    assert "RuntimeError: the copy fails" in ended.stdout
    assert "'original'" in place.run("dump", "1/start").stdout
    assert "RuntimeError" not in place.run("dump", "1/fail").text
    statuses = place.run("runs", "--json").stdout
    assert '"succeeded": 2' in statuses
    assert '"failed": 1' in statuses
