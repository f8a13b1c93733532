"""Whole runs on a real Slurm, by the command line, as users start them."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import apart
import botocore.session
import pytest
from cluster import Cluster, require
from moto.server import ThreadedMotoServer

from asyncflow import Flow, Run, metadata, namespace

FLOW = Path(__file__).parent / "flows" / "beside.py"
LONGEST_S = 110.0


class Site:
    """Where one test's runs happen."""

    def __init__(self, directory: Path, cluster: Cluster, *, directory_of_jobs: str = "") -> None:
        self.said = directory / "said"
        self.said.mkdir()
        self._output = directory / "output"
        self._home = directory / "home"
        self._environment = {
            **os.environ,
            **cluster.environment(),
            "SAID": str(self.said),
            "ASYNCFLOW_HOME": str(self._home),
            "XDG_CACHE_HOME": str(directory / "cache"),
            "ASYNCFLOW_SLURM_DIRECTORY": directory_of_jobs or str(directory / "shared"),
        }

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Start a command of asyncflow; it is killed at the end, if it still runs."""
        with self._output.open("a") as output:
            command = [sys.executable, "-m", "asyncflow", *words, "--ui", "plain"]
            process = subprocess.Popen(
                command, env=self._environment, stdout=output, stderr=output, text=True
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def printed(self) -> str:
        return self._output.read_text()

    def run(self) -> Run:
        """Return the site's only run."""
        metadata(str(self._home))
        namespace(None)
        (run,) = Flow("Beside").runs()
        return run

    async def until_said(self, name: str, *, lines: int = 1) -> list[str]:
        with anyio.fail_after(LONGEST_S):
            while True:
                path = self.said / name
                found = path.read_text().splitlines() if path.exists() else []
                if len(found) >= lines:
                    return found
                await anyio.sleep(0.1)


async def until_over(process: subprocess.Popen[str]) -> int:
    with anyio.fail_after(LONGEST_S):
        while process.poll() is None:  # noqa: ASYNC110 - Popen tells nobody
            await anyio.sleep(0.1)
    return process.returncode


async def test_a_flow_runs_on_the_cluster_with_its_store_on_the_shared_file_system(
    slurm: Cluster, tmp_path: Path
) -> None:
    site = Site(tmp_path, slurm)
    (site.said / "go").touch()
    with site.started("run", str(FLOW), "--with", "slurm") as scheduler:
        assert await until_over(scheduler) == 0, site.printed()
    run = site.run()
    assert run.successful
    assert next(iter(run["join"])).data.total == 41
    assert "total 41" in site.printed()
    told = next(iter(run["end"])).metadata_dict
    assert set(told["slurm-node"]) <= set("n12"), told
    assert told["slurm-job-id"] in slurm.ask("squeue", "-h", "-t", "all", "-o", "%i")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a fresh bucket on a server of this test's own."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys = {"AWS_ACCESS_KEY_ID": "slurm", "AWS_SECRET_ACCESS_KEY": "slurm", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {
        **keys,
        "ASYNCFLOW_S3_ENDPOINT_URL": endpoint,
        "AWS_ENDPOINT_URL_S3": endpoint,
    }.items():
        monkeypatch.setenv(name, value)
    session = botocore.session.get_session()
    session.create_client("s3", endpoint_url=endpoint).create_bucket(Bucket="runs")
    try:
        yield f"s3://runs/{secrets.token_hex(4)}"
    finally:
        server.stop()


async def test_a_flow_runs_on_a_cluster_that_shares_no_files_with_its_store_in_a_bucket(
    slurm: Cluster, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNCFLOW_STORE", bucket)
    site = Site(tmp_path, slurm, directory_of_jobs="none")
    (site.said / "go").touch()
    with site.started("run", str(FLOW), "--with", "slurm") as scheduler:
        assert await until_over(scheduler) == 0, site.printed()
    assert "total 41" in site.printed()
    assert not (tmp_path / "shared").exists()


async def test_a_run_whose_scheduler_was_killed_goes_on_with_the_same_jobs(
    slurm: Cluster, tmp_path: Path
) -> None:
    site = Site(tmp_path, slurm)
    with site.started("run", str(FLOW), "--with", "slurm") as scheduler:
        await site.until_said("right")
        scheduler.kill()
        await until_over(scheduler)
    (site.said / "go").touch()
    with site.started("resume", "1") as scheduler:
        assert await until_over(scheduler) == 0, site.printed()
    assert site.run().successful
    assert len(await site.until_said("right")) == 1
    assert len(await site.until_said("left")) == 1


async def test_a_cancelled_run_leaves_no_job(slurm: Cluster, tmp_path: Path) -> None:
    site = Site(tmp_path, slurm)
    with site.started("run", str(FLOW), "--with", "slurm") as scheduler:
        await site.until_said("right")
        scheduler.terminate()
        assert await until_over(scheduler) != 0
    with anyio.fail_after(LONGEST_S):
        while slurm.ask("squeue", "-h"):  # noqa: ASYNC110 - Slurm tells nobody
            await anyio.sleep(0.1)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[apart.ClusterApart]:
    """A cluster of three hosts."""
    require(apart.missing())
    directory = tmp_path / "slurm"
    directory.mkdir()
    hosts = apart.ClusterApart(directory)
    try:
        hosts.start()
        yield hosts
    finally:
        hosts.stop()


@pytest.mark.timeout(240)
async def test_a_task_whose_node_is_cut_off_from_the_network_is_tried_again_on_the_other(
    hosts: apart.ClusterApart, tmp_path: Path
) -> None:
    """No step has a @retry: a lost node uses up none."""
    site = Site(tmp_path, hosts)
    with site.started("run", str(FLOW), "--with", "slurm:cpu=8") as scheduler:
        (first,) = await site.until_said("right")
        node = first.split()[0]
        hosts.cut_off(int(node.removeprefix("n")))
        assert await until_over(scheduler) == 0, site.printed()
    other = {"n1": "n2", "n2": "n1"}[node]
    assert await site.until_said("right", lines=2) == [f"{node} 0", f"{other} 1"]
    assert "NODE_FAIL" in site.printed()
    run = site.run()
    assert run.successful
    assert next(iter(run["join"])).data.nodes[1] == other
    assert next(iter(run["join"])).data.total == 41
