"""Runs in AWS Batch that are stopped, by whomever: nothing lives on. And gangs."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.elsewhere.aws import alive, going, jobs, machine_at
from tests.elsewhere.story import Machine
from tests.services.batch.handle import Batch

FLOWS = Path(__file__).parent / "flows"
FOREVER, GANG = (str(FLOWS / f"{name}.py") for name in ("forever", "gang"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


def machine(tmp_path: Path, batch: Batch, folder: Path, **more: str) -> Machine:
    return machine_at(tmp_path / "here", batch, FOLDER=str(folder), **more)


def until_all_run(batch: Batch, folder: Path) -> None:
    batch.wait_until(lambda: len(list(folder.glob("[0-2]"))) == 3, "all three run", within_s=60)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", ["Ctrl-C", "cancel"])
def test_a_run_that_is_stopped_ends_its_jobs_in_order(
    batch: Batch, folder: Path, tmp_path: Path, how: str
) -> None:
    here = machine(tmp_path, batch, folder)
    with going(here, "run", FOREVER) as run:
        until_all_run(batch, folder)
        if how == "cancel":
            here.run("cancel", "1", within_s=60)
        else:
            run.send_signal(signal.SIGINT)
        said, _ = run.communicate(timeout=60)

    assert said.count("] Task was stopped.") == 3, said
    assert "Run 1 was cancelled." in said
    assert len(list(folder.glob("*.over"))) == 3, "each had its time to clean up"
    assert alive(batch) == []
    assert [job["status"] for job in jobs(batch)] == ["FAILED"]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_the_failure_of_one_task_ends_the_others(batch: Batch, folder: Path, tmp_path: Path) -> None:
    said = machine(tmp_path, batch, folder, FAILING="yes").run("run", FOREVER, code=1, within_s=100)

    assert "ValueError: the first one gives up" in said
    assert said.count("] Task was stopped.") == 2
    assert len(list(folder.glob("*.over"))) == 3
    assert alive(batch) == []


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_what_a_dead_scheduler_left_is_reaped(batch: Batch, folder: Path, tmp_path: Path) -> None:
    here = machine(tmp_path, batch, folder)
    with going(here, "run", FOREVER) as run:
        until_all_run(batch, folder)
        run.kill()
    [left] = alive(batch)

    young = here.run("reap", "--backend", "batch")
    assert alive(batch) == [left], f"the run may be gone on with: {young}"
    shown = here.run("reap", "--backend", "batch", "--all", "--dry-run")
    assert left in shown
    assert alive(batch) == [left]
    done = here.run("reap", "--backend", "batch", "--all")

    assert left in done
    batch.wait_until(lambda: not alive(batch), "nothing lives on")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_gang_is_one_job_of_many_nodes(batch: Batch, tmp_path: Path) -> None:
    said = machine_at(tmp_path / "here", batch).run("run", GANG, within_s=100)

    assert "places: [(0, 3), (1, 3), (2, 3)]" in said
    [gang] = jobs(batch)
    assert gang["nodeProperties"]["numNodes"] == 3
    assert alive(batch) == []
