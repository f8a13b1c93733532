"""A flow's code package: what is in it, that its bytes depend on nothing else, and when it is built again."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from asyncflow.errors import StoreError
from asyncflow.store.package.build import Package, build_package
from asyncflow.store.package.scan import PackageError, source_of

_PACK = """
import sys
from asyncflow.store.package.build import build_package
print(build_package(sys.argv[1], directory=sys.argv[2]).digest)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    (project / "lib").mkdir(parents=True)
    (project / "flow.py").write_text("import lib.tool\n")
    (project / "lib" / "tool.py").write_text("x = 1\n")
    (project / "data.csv").write_text("1,2\n")
    _age(project)
    return project


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A cache that already has what asyncflow brings, which takes a second to put together."""
    return str(tmp_path_factory.mktemp("packages"))


def _age(project: Path) -> None:
    """Wait until no file was changed just now: a change in the same instant could not be seen."""
    newest = max(os.stat(path).st_ctime for path in project.rglob("*"))
    while time.time() < newest + 0.15:
        time.sleep(0.01)


def names_in(package: Package) -> list[str]:
    with tarfile.open(package.path) as archive:
        return archive.getnames()


def test_the_users_code_asyncflow_and_its_packages_are_in_it(project: Path, cache: str) -> None:
    package = build_package(str(project / "flow.py"), directory=cache)

    names = names_in(package)
    assert package.files == ("flow.py", "lib/tool.py")
    assert package.script == "flow.py"
    assert {"flow.py", "lib/tool.py", ".asyncflow-package/start.py", ".asyncflow-package/info.json"} <= {
        *names
    }
    with tarfile.open(package.path) as archive:
        library = archive.extractfile(".asyncflow-package/lib.zip")
        assert library is not None
        assert "asyncflow/worker/attempt.py" in zipfile.ZipFile(library).namelist()
    assert ".asyncflow-package/pure/botocore/session.py" in names
    assert not any("/cffi" in name or "_cffi." in name for name in names)
    assert hashlib.sha256(Path(package.path).read_bytes()).hexdigest() == package.digest
    assert os.path.getsize(package.path) == package.size_bytes < 8_000_000


def test_nothing_in_it_tells_who_packed_it_when_and_where(project: Path, cache: str) -> None:
    package = build_package(str(project / "flow.py"), directory=cache)

    with tarfile.open(package.path) as archive:
        members = archive.getmembers()
        texts = {member.name: archive.extractfile(member) for member in members}
        tag = sys.implementation.cache_tag
        compiled = texts[f".asyncflow-package/pure/botocore/__pycache__/client.{tag}.pyc"]
        assert compiled is not None
        library = texts[".asyncflow-package/lib.zip"]
        assert library is not None
        for data in (compiled.read(), zipfile.ZipFile(library).read("asyncflow/errors.pyc")):
            assert str(Path(__file__).parents[4]).encode() not in data
    assert {(member.mtime, member.uid, member.uname) for member in members} == {(0, 0, "")}
    assert all(member.isreg() for member in members)


@pytest.mark.slow
def test_equal_code_is_equal_bytes_in_every_process(project: Path, tmp_path: Path) -> None:
    digests: set[str] = set()
    for seed in ("0", "7"):
        os.utime(project / "flow.py", (1, int(seed)))
        command = [sys.executable, "-c", _PACK, str(project / "flow.py"), str(tmp_path / f"cache{seed}")]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        digests.add(done.stdout.strip())

    assert len(digests) == 1


def test_what_has_not_changed_is_not_packed_again(project: Path, cache: str) -> None:
    first = build_package(str(project / "flow.py"), directory=cache)
    os.chmod(project / "data.csv", 0o600)

    second = build_package(str(project / "flow.py"), directory=cache)

    assert not second.is_new
    assert second.digest == first.digest


def test_a_change_is_a_new_package_and_its_undoing_the_old_one(project: Path, cache: str) -> None:
    first = build_package(str(project / "flow.py"), directory=cache)
    (project / "lib" / "tool.py").write_text("x = 2\n")
    second = build_package(str(project / "flow.py"), directory=cache)
    (project / "lib" / "tool.py").write_text("x = 1\n")
    third = build_package(str(project / "flow.py"), directory=cache)

    assert second.is_new
    assert third.is_new
    assert first.digest == third.digest != second.digest


def test_a_change_of_the_same_length_just_after_packing_is_seen(project: Path, cache: str) -> None:
    for number in range(20):
        (project / "lib" / "tool.py").write_text(f"x = {number % 10}\n")
        package = build_package(str(project / "flow.py"), directory=cache)
        with tarfile.open(package.path) as archive:
            packed = archive.extractfile("lib/tool.py")
            assert packed is not None
            assert packed.read() == f"x = {number % 10}\n".encode()


def test_a_damaged_package_in_the_cache_is_made_anew(project: Path, cache: str) -> None:
    first = build_package(str(project / "flow.py"), directory=cache)
    Path(first.path).write_bytes(b"half")

    second = build_package(str(project / "flow.py"), directory=cache)

    assert second.is_new
    assert os.path.getsize(second.path) == first.size_bytes


def test_more_suffixes_bring_more_files(project: Path, cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = str(project / "flow.py")
    with_data = build_package(flow, suffixes=(".csv",), directory=cache)
    monkeypatch.setenv("METAFLOW_DEFAULT_PACKAGE_SUFFIXES", ".csv")
    instead = build_package(flow, directory=cache)

    assert with_data.files == ("data.csv", "flow.py", "lib/tool.py")
    assert instead.files == ("data.csv", "flow.py")  # the flow itself is always there


def test_files_from_elsewhere_come_along_and_never_in_place_of_the_flows_own(
    project: Path, tmp_path: Path, cache: str
) -> None:
    (tmp_path / "other.py").write_text("other")
    extra = [
        source_of("lib/tool.py", str(tmp_path / "other.py")),
        source_of("far/other.py", str(tmp_path / "other.py")),
    ]

    package = build_package(str(project / "flow.py"), extra=extra, directory=cache)

    with tarfile.open(package.path) as archive:
        tool, other = archive.extractfile("lib/tool.py"), archive.extractfile("far/other.py")
        assert tool is not None
        assert other is not None
        assert (tool.read(), other.read()) == (b"x = 1\n", b"other")


def test_too_much_code_is_refused_with_the_biggest_files(
    project: Path, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNCFLOW_PACKAGE_MAX_MB", "1")
    (project / "data.csv").write_bytes(b"x" * 1_200_000)

    with pytest.raises(PackageError) as caught:
        build_package(str(project / "flow.py"), suffixes=(".csv",), directory=cache)

    assert caught.value.message == (
        "The flow's code is 1 MB, more than the 1 MB that are sent to workers. The biggest files:\n"
        f"       1.2 MB  {project}/data.csv\n"
        f"       0.0 MB  {project}/flow.py\n"
        f"       0.0 MB  {project}/lib/tool.py"
    )
    assert "ASYNCFLOW_PACKAGE_MAX_MB" in caught.value.hint


def test_two_hundred_files_are_packed_in_no_time(project: Path, cache: str) -> None:
    for number in range(200):
        (project / f"m{number}.py").write_text(
            "\n".join(f"def f{line}(): return {line}" for line in range(60))
        )
    _age(project)
    build_package(str(project / "flow.py"), directory=cache)
    (project / "flow.py").write_text("changed = True\n")

    begun = time.process_time()
    changed = build_package(str(project / "flow.py"), directory=cache)
    packed_s = time.process_time() - begun

    assert changed.is_new
    assert len(changed.files) == 202
    assert packed_s < 0.3  # 0.03 s on a quiet machine


def test_wheels_bring_other_interpreters_their_compiled_modules(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wheels").mkdir()
    with zipfile.ZipFile(tmp_path / "wheels" / "blake3-1.0.0-cp399-cp399-linux.whl", "w") as wheel:
        wheel.writestr("blake3/__init__.py", "from .blake3 import blake3")
        wheel.writestr("blake3/blake3.cpython-399-riscv64-linux-gnu.so", b"compiled")
        wheel.writestr("blake3-1.0.0.dist-info/METADATA", "")
        wheel.writestr("strange/other.cpython-399-riscv64-linux-gnu.so", b"")
    before = build_package(str(project / "flow.py"), directory=str(tmp_path / "cache"))
    monkeypatch.setenv("ASYNCFLOW_PACKAGE_WHEELS", str(tmp_path / "wheels"))

    after = build_package(str(project / "flow.py"), directory=str(tmp_path / "cache"))

    place = ".asyncflow-package/native/cpython-399-riscv64-linux-gnu/blake3"
    more = {f"{place}/__init__.py", f"{place}/blake3.cpython-399-riscv64-linux-gnu.so"}
    assert {*names_in(after)} - {*names_in(before)} == more


def test_a_wrong_setting_is_told_of(project: Path, cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASYNCFLOW_PACKAGE_WHEELS", "/no/where")
    with pytest.raises(PackageError, match="directory of wheels cannot be read"):
        build_package(str(project / "flow.py"), directory=cache)

    monkeypatch.setenv("ASYNCFLOW_PACKAGE_MAX_MB", "much")
    with pytest.raises(PackageError, match="'much' is no number of megabytes"):
        build_package(str(project / "flow.py"), directory=cache)


def test_a_cache_that_cannot_be_written_is_told_of(project: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")

    with pytest.raises(StoreError) as caught:
        build_package(str(project / "flow.py"), directory=str(tmp_path / "taken" / "cache"))

    assert "code package" in caught.value.message
