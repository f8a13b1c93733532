"""A scheduler that is killed loses no job and asks for none twice. `make remote-kills` does it with 200 jobs."""

from __future__ import annotations

import pytest

from tests.integration.remote.kills import kill_a_scheduler
from tests.integration.remote.machines import Cluster

pytestmark = pytest.mark.slow


def test_jobs_go_on_while_there_is_no_scheduler(beside: Cluster) -> None:
    told = kill_a_scheduler(beside, width=8, at=8, clean=False)

    assert told.problems == []
    assert (told.in_flight, told.ended_meanwhile) == (8, 4)


def test_a_clean_machine_takes_jobs_over(cluster: Cluster) -> None:
    told = kill_a_scheduler(cluster, width=6, at=6, clean=True)

    assert told.problems == []
    assert (told.in_flight, told.ended_meanwhile) == (6, 3)


def test_the_same_machine_takes_jobs_over_that_had_not_all_been_asked_for(cluster: Cluster) -> None:
    told = kill_a_scheduler(cluster, width=6, at=1, clean=False)

    assert told.problems == []
    assert told.in_flight >= 1
