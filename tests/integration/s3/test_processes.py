"""S3 in the processes that use it: tasks of flows, forks, and those that move much."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

import asyncflow
from tests.services import moto

_FLOW = """
from metaflow import FlowSpec, Run, S3, current, step
from metaflow.plugins.datatools.s3 import MetaflowS3NotFound, S3PutObject

class DataFlow(FlowSpec):
    @step
    def start(self):
        with S3(run=self) as s3:
            self.url = s3.put("shared/message", "from start")
            try:
                s3.get("nothing")
            except MetaflowS3NotFound as error:
                self.told = str(error)
        self.parts = list(range(3))
        self.next(self.work, foreach="parts")

    @step
    def work(self):
        with S3(run=self) as s3:
            self.read = s3.get("shared/message").text
            s3.put_many([S3PutObject(f"parts/{self.input}", value=str(self.input))])
        self.next(self.join)

    @step
    def join(self, inputs):
        self.read = {one.read for one in inputs}
        self.merge_artifacts(inputs, include=["url", "told"])
        with S3(run=Run(current.pathspec.rpartition("/")[0].rpartition("/")[0])) as s3:
            self.parts = [one.text for one in s3.get_recursive(["parts"])]
        self.next(self.end)

    @step
    def end(self):
        pass
"""


@pytest.mark.slow
def test_the_tasks_of_a_run_share_a_place(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAFLOW_DATATOOLS_S3ROOT", f"s3://{bucket}/data")
    (tmp_path / "data_flow.py").write_text(_FLOW)
    command = [sys.executable, "-m", "asyncflow", "run", "data_flow.py"]
    home = tmp_path / "home"
    environment = {**os.environ, "ASYNCFLOW_HOME": str(home)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr + done.stdout

    show = "from asyncflow import Run; d = Run('DataFlow/1').data; print(d.url, d.told, d.read, d.parts, sep='|')"
    told = subprocess.run(
        [sys.executable, "-c", show], cwd=tmp_path, env=environment, capture_output=True, text=True
    )

    assert told.stderr == ""
    assert told.stdout.strip().split("|") == [
        f"s3://{bucket}/data/DataFlow/1/shared/message",
        f"There is no object s3://{bucket}/data/DataFlow/1/nothing",
        "{'from start'}",
        "['0', '1', '2']",
    ]
    assert sorted(os.listdir(tmp_path)) == ["data_flow.py", "home"]  # no files are left


def _use(s3: asyncflow.S3, paths: multiprocessing.Queue[str]) -> None:
    one = s3.get("a")
    assert one.text == "a"
    paths.put(str(one.path))
    s3.close()


def test_a_fork_has_connections_and_files_of_its_own(bucket: str, tmp_path: Path) -> None:
    forking = multiprocessing.get_context("fork")
    paths: multiprocessing.Queue[str] = forking.Queue()
    with asyncflow.S3(s3root=f"s3://{bucket}", tmproot=str(tmp_path)) as s3:
        s3.put("a", "a")
        ours = s3.get("a")
        children = [forking.Process(target=_use, args=(s3, paths)) for _ in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join()
        theirs = {paths.get(timeout=5) for _ in children}

        assert [child.exitcode for child in children] == [0, 0, 0]
        assert ours.text == "a"  # a child's end took nothing away
        assert s3.get("a").text == "a"
        assert len({ours.path, *theirs}) == 4
        assert not any(os.path.exists(path) for path in theirs)


_MUCH = """
import resource, sys
from asyncflow import S3
with S3(s3root=sys.argv[1], tmproot=sys.argv[2]) as s3:
    s3.put("warm", "x")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open(sys.argv[2] + "/big", "rb") as file:
        s3.put_many([(f"many/{number}", b"x" * 10) for number in range(50)] + [("stream", file)])
    s3.put_files([(f"files/{number}", sys.argv[2] + "/big") for number in range(5)])
    found = s3.get_many([f"files/{number}" for number in range(5)] + ["stream"])
    assert [one.size for one in found] == [60 << 20] * 6
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_follow_what_is_moved(aws: str, bucket: str, tmp_path: Path) -> None:
    with open(tmp_path / "big", "wb") as file:
        file.truncate(60 << 20)
    command = [sys.executable, "-c", _MUCH, f"s3://{bucket}", str(tmp_path)]

    done = subprocess.run(
        command, env=moto.environment(aws), capture_output=True, text=True, check=True, timeout=55
    )

    assert int(done.stdout) < 120  # MB, of 720 that go and come


def test_importing_asyncflow_brings_nothing_of_it() -> None:
    code = "import asyncflow, sys; from asyncflow import FlowSpec, step; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert not [name for name in loaded if name.startswith(("asyncflow.s3", "asyncflow.store", "botocore"))]
    using = "from asyncflow import S3; S3(); import sys; print('botocore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", using], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"  # before the first request
