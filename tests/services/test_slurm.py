"""The Slurm clusters that `make services` starts are what a backend will meet."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.services.slurm import Slurm, in_namespaces, on_loopback

pytestmark = pytest.mark.slow


@pytest.fixture
def slurm() -> Slurm:
    return on_loopback()


@pytest.fixture
def hosts() -> Slurm:
    return in_namespaces()


def submit(slurm: Slurm, place: Path, script: str, *more: str) -> str:
    output = f"--output={place}/%A_%a.out"
    return slurm.run("sbatch", "--parsable", output, *more, "--wrap", script)


def test_exit_codes_and_output_are_kept(slurm: Slurm, tmp_path: Path) -> None:
    job = slurm.run("sbatch", "--parsable", f"--output={tmp_path}/out", "--wrap", "echo hello; exit 3")

    told = slurm.wait(job)

    assert (told["JobState"], told["ExitCode"]) == ("FAILED", "3:0")
    assert (tmp_path / "out").read_text() == "hello\n"


def test_an_array_runs_on_both_nodes_and_each_task_knows_its_number(slurm: Slurm, tmp_path: Path) -> None:
    script = "echo $SLURM_ARRAY_TASK_ID $SLURMD_NODENAME; sleep 0.5"
    job = submit(slurm, tmp_path, script, "--array=0-3", "--mem=100")

    slurm.wait_until(lambda: slurm.run("squeue", "-h", "-j", job) == "", "the array's end")
    said = [(tmp_path / f"{job}_{index}.out").read_text().split() for index in range(4)]

    assert [number for number, _ in said] == ["0", "1", "2", "3"]
    assert {node for _, node in said} == set(slurm.nodes)


def test_a_cancelled_job_ends_and_gets_sigterm_first(slurm: Slurm, tmp_path: Path) -> None:
    script = f"trap 'touch {tmp_path}/heard; exit 0' TERM; touch {tmp_path}/up; while :; do sleep 0.05; done"
    job = submit(slurm, tmp_path, script)
    slurm.wait_until((tmp_path / "up").exists, "its start")

    slurm.run("scancel", "--full", job)

    assert slurm.wait(job)["JobState"] == "CANCELLED"
    slurm.wait_until((tmp_path / "heard").exists, "its last act")


def test_states_are_asked_for_many_jobs_at_once_and_finished_ones_by_sacct(
    slurm: Slurm, tmp_path: Path
) -> None:
    running, failing = submit(slurm, tmp_path, "sleep 100"), submit(slurm, tmp_path, "exit 4")
    slurm.wait(failing)
    slurm.wait(running, ("RUNNING",))

    queued = slurm.run("squeue", "-h", "-t", "all", "-o", "%i %T", "-j", f"{running},{failing}").splitlines()
    finished = slurm.run("sacct", "-c", "-n", "-P", "-o", "jobid,state", "-j", failing)

    slurm.run("scancel", running)
    assert dict(line.split() for line in queued) == {running: "RUNNING", failing: "FAILED"}
    assert finished == f"{failing}|FAILED"


def test_what_no_node_has_is_refused_when_it_is_submitted(slurm: Slurm, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        submit(slurm, tmp_path, "true", "--mem=999999")

    assert "Memory specification can not be satisfied" in refused.value.stderr


def test_nobody_beyond_this_machine_reaches_the_daemons(slurm: Slurm) -> None:
    ports = [
        line.partition("=")[2].strip()
        for line in slurm.run("scontrol", "show", "config").splitlines()
        if line.startswith("SlurmctldPort")
    ]
    listening = [line.split()[3] for line in slurm.run("ss", "-Hltn").splitlines()]

    assert f"127.0.0.1:{ports[0]}" in listening


@pytest.mark.timeout(110)
def test_a_node_that_is_cut_off_is_found_out_and_its_job_is_told_as_lost(
    hosts: Slurm, tmp_path: Path
) -> None:
    job = submit(hosts, tmp_path, "sleep 300", "--nodelist=h2")
    hosts.wait(job, ("RUNNING",))

    with hosts.cut_off("h2"):
        told = hosts.wait(job, within_s=70)
        other = hosts.wait(submit(hosts, tmp_path, "true"))

    assert told["JobState"] == "NODE_FAIL"
    assert (other["JobState"], other["NodeList"]) == ("COMPLETED", "h1")
