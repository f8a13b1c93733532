"""Tests without their server are skipped by name, or fail where nothing may be skipped; and the servers' script."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import needed

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "services"


def run_tests(place: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run tests that need Docker where no service is up."""
    kept = {name: value for name, value in os.environ.items() if name != "ASYNCFLOW_NO_SKIP"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/services/test_batch_docker.py"],
        cwd=ROOT,
        env={**kept, "ASYNCFLOW_SERVICES": str(place), **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
    )


def services(place: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), *arguments],
        env={**os.environ, "ASYNCFLOW_SERVICES": str(place), **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
    )


@pytest.mark.slow
def test_without_its_server_a_test_is_skipped_and_named(tmp_path: Path) -> None:
    done = run_tests(tmp_path / "nothing")

    assert done.returncode == 0, done.stdout
    assert "skipped for want of a service" in done.stdout
    assert "7 tests SKIPPED for want of docker (make services starts it)" in done.stdout


@pytest.mark.slow
def test_where_nothing_may_be_skipped_it_fails(tmp_path: Path) -> None:
    done = run_tests(tmp_path / "nothing", ASYNCFLOW_NO_SKIP="1")

    assert done.returncode == 1
    assert "needs docker, which is not up: make services (ASYNCFLOW_NO_SKIP is set)" in done.stdout
    assert "skipped" not in done.stdout


def test_a_service_that_does_not_exist_is_no_reason_to_skip() -> None:
    with pytest.raises(ValueError, match="no such service: dokcer"):
        needed.environment("dokcer")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("start", "dokcer"), "services: no such service: dokcer (there are: docker radosgw"),
        (("env",), "services: name one service:"),
    ],
)
def test_what_the_script_does_not_know_it_says(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = services(tmp_path, *arguments)

    assert done.returncode == 1
    assert done.stderr.startswith(words)


def test_somebody_elses_folder_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "place").symlink_to(tmp_path / "there")

    done = services(tmp_path / "place", "start", "kubectl")

    assert done.returncode == 1
    assert "is not ours: set ASYNCFLOW_SERVICES to another folder" in done.stderr


def ours(place: Path) -> list[str]:
    """Return the processes that were started for a folder."""
    mark = f"ASYNCFLOW_SERVICES={place}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text())
        except OSError:
            continue  # it has ended
    return found


@pytest.mark.slow
@pytest.mark.needs("slurm")
def test_a_service_starts_once_tells_how_it_is_reached_and_stops(tmp_path: Path) -> None:
    place = tmp_path / "place"
    try:
        first, again = services(place, "start", "slurm"), services(place, "start", "slurm")
        told = services(place, "env", "slurm")
        running = ours(place)
    finally:
        stopped = services(place, "stop")

    assert first.stdout.startswith("services: slurm is up after "), first.stderr
    assert again.stdout == "services: slurm is up\n"
    assert told.stdout == f"SLURM_CONF={place}/slurm/slurm.conf\n"
    assert len(running) >= 4, running
    assert (stopped.returncode, ours(place)) == (0, [])
    assert services(place, "env", "slurm").returncode == 1


@pytest.mark.slow
@pytest.mark.needs("slurm")
def test_a_start_that_fails_says_why_in_one_line_and_leaves_nothing_running(tmp_path: Path) -> None:
    place, programs = tmp_path / "place", tmp_path / "bin"
    programs.mkdir()
    (programs / "slurmctld").write_text("#!/bin/sh\necho out of order\n")
    (programs / "slurmctld").chmod(0o755)

    done = services(place, "start", "slurm", PATH=f"{programs}:{os.environ['PATH']}")

    assert done.returncode == 1
    assert done.stderr.startswith("services: slurm is not up: two idle nodes did not happen, a daemon ended")
    assert done.stderr.count("\n") == 1
    assert ours(place) == []
