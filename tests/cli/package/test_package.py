"""`asyncflow package`, and `python flow.py package` in Metaflow's words."""

from __future__ import annotations

import os
import sys
import tarfile
from pathlib import Path

import pytest

from tests.cli.place import Place

_FLOW = """
from asyncflow import FlowSpec, step

class SmallFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    SmallFlow()
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def place(tmp_path: Path, cache: str) -> Place:
    (tmp_path / "small_flow.py").write_text(_FLOW)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "tool.py").write_text("")
    (tmp_path / "lib" / "query.sql").write_text("")
    (tmp_path / "server.pem").write_text("")
    place = Place(tmp_path, {"XDG_CACHE_HOME": cache})
    (tmp_path / "tmp").mkdir()
    return place


def test_a_package_is_listed_described_and_saved(place: Place) -> None:
    listed = place.run("package", "list", "small_flow.py")
    info = place.run("package", "info", "small_flow.py", "--package-suffixes", ".pem")
    saved = place.run("package", "save", "small_flow.py", "tmp/code.tar.gz")
    found = place.run("package", "list", "--archive", "tmp/code.tar.gz")

    assert listed.stdout.split() == ["lib/tool.py", "small_flow.py"]
    assert "files       2\n" in info.stdout
    assert info.stderr == "Left out, as it looks like a secret: HERE/server.pem\n"
    assert saved.stdout == "tmp/code.tar.gz\n"
    with tarfile.open(place.root / "tmp/code.tar.gz") as archive:
        assert archive.getnames() == found.stdout.split()
    assert ".asyncflow-package/start.py" in found.stdout


def test_a_flows_file_has_the_same_in_metaflows_words(place: Place) -> None:
    program = (sys.executable, "small_flow.py")

    listed = place.run("--package-suffixes", ".sql", "package", "list", program=program)
    timed = place.run("package", "--timeout", "5", "list", program=program)
    saved = place.run("package", "save", "tmp", program=program)
    archived = place.run("package", "list", "--archive", saved.stdout.strip(), program=program)

    assert listed.stderr == ""
    assert listed.stdout.split() == ["lib/query.sql", "lib/tool.py", "small_flow.py"]
    assert timed.stdout.split() == ["lib/tool.py", "small_flow.py"]
    assert os.path.basename(saved.stdout.strip()).endswith(".tar.gz")
    assert "small_flow.py" in archived.stdout.split()


def test_what_is_no_archive_is_told_of(place: Place) -> None:
    told = place.run("package", "list", "server.pem", "--archive")

    assert told.code == 2
    assert "is no archive that can be read" in told.stderr
