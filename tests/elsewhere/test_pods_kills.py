"""The scheduler is killed while its pods run. Who resumes asks for no pod again, loses none and leaves none.

`ASYNCFLOW_KILL_PODS` says how many are in flight; `make kube-kills` says 200.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.elsewhere.pods import Pods, flow
from tests.elsewhere.standin import Gate
from tests.services.kube.faults import wait_until

WIDTH = int(os.environ.get("ASYNCFLOW_KILL_PODS", "60"))
_WAIT_S = 90


@pytest.mark.wide
@pytest.mark.timeout(300)
@pytest.mark.parametrize("where", ["same", "clean"])
def test_pods_outlive_the_scheduler_that_asked_for_them(wide: Pods, gate: Gate, where: str) -> None:
    gate.admit(0)
    first = wide.machine()
    most = ("--max-workers", str(WIDTH), "--max-num-splits", str(WIDTH))
    scheduler = first.start("run", flow("pods_wide"), "--width", str(WIDTH), *most)
    wait_until(lambda: len(wide.keys("/claims/")) == WIDTH, "all pods have begun", _WAIT_S)
    gate.admit(WIDTH // 3)
    wait_until(lambda: len(wide.keys("/results/")) >= WIDTH // 3, "some have ended", _WAIT_S)
    scheduler.kill()
    scheduler.communicate()
    gate.admit(WIDTH // 3 * 2)
    wait_until(lambda: len(wide.keys("/results/")) == WIDTH // 3 * 2, "some ended unseen", _WAIT_S)

    second = first if where == "same" else wide.machine("another")
    resumed = second.start("resume", "1", "--file", flow("pods_wide"), *most)
    wait_until(lambda: wide.kube.faults.open_watches() >= 1, "it has taken them up", _WAIT_S)
    gate.admit(WIDTH)
    said, _ = resumed.communicate(timeout=150)

    assert resumed.returncode == 0, said[-4000:]
    assert f"joined {WIDTH}" in said
    assert wide.created() == WIDTH, "no pod was asked for again"
    attempts = Counter(key.rsplit("/", 1)[1] for key in wide.keys("/claims/"))
    assert len(attempts) == WIDTH, "every task began once"
    assert all(name.endswith(".0") for name in attempts), "no task began a second attempt"
    assert len(wide.keys("/results/")) == WIDTH
    assert wide.left() == []
