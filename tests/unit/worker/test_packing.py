"""What a flow adds to its code package, besides the files of its directory."""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncflow.errors import UserError
from asyncflow.flow.load import load_flow
from asyncflow.flow.mutators import mutate
from asyncflow.store.package.build import Package
from asyncflow.worker.packing import package_of

_FLOW = """
from metaflow import FlowSpec, FlowMutator, UserStepDecorator, step
from metaflow.plugins.package_suffixes_mutator import package_suffixes
{imports}

class Adds(FlowMutator):
    def add_to_package(self):
        yield {added}

class Brings(UserStepDecorator):
    def add_to_package(self):
        return [({notes!r}, "notes/of_step.txt", "OTHER")]

@package_suffixes([".sql"])
@Adds
class PackedFlow(FlowSpec):
    @Brings
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("packages"))


@pytest.fixture(autouse=True)
def _same_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what a test imported."""
    before = dict(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in [name for name in sys.modules if name not in before]:
        del sys.modules[name]


def packed(tmp_path: Path, cache: str, *, imports: str = "", added: str = "") -> Package:
    project = tmp_path / "project"
    project.mkdir(exist_ok=True)
    (tmp_path / "notes.txt").write_text("notes")
    added = added or repr((str(tmp_path / "notes.txt"), "notes/of_flow.txt"))
    text = _FLOW.format(imports=imports, added=added, notes=str(tmp_path / "notes.txt"))
    (project / "packed_flow.py").write_text(text)
    (project / "query.sql").write_text("select 1")
    flow_class = load_flow(str(project / "packed_flow.py"))
    mutate(flow_class)
    return package_of(flow_class, str(project / "packed_flow.py"), directory=cache)


def put(directory: Path, **modules: str) -> None:
    for name, text in modules.items():
        path = directory / f"{name.replace('__of__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_mutators_and_decorators_name_files_and_suffixes(tmp_path: Path, cache: str) -> None:
    package = packed(tmp_path, cache)

    assert package.files == ("notes/of_flow.txt", "notes/of_step.txt", "packed_flow.py", "query.sql")
    with tarfile.open(package.path) as archive:
        notes = archive.extractfile("notes/of_step.txt")
        assert notes is not None
        assert notes.read() == b"notes"


def test_modules_imported_from_elsewhere_come_along_each_package_whole(tmp_path: Path, cache: str) -> None:
    library = tmp_path / "library"
    put(
        library, single="x = 1", pack__of____init__="", pack__of__used="", pack__of__later="", not_imported=""
    )
    put(library, space__of__part="")
    sys.path.insert(0, str(library))

    package = packed(tmp_path, cache, imports="import single, pack.used, space.part")

    elsewhere = ("pack/__init__.py", "pack/later.py", "pack/used.py", "single.py", "space/part.py")
    assert {*elsewhere} <= {*package.files}
    assert "not_imported.py" not in package.files


def test_installed_modules_come_along_when_they_ask_for_it(tmp_path: Path, cache: str) -> None:
    site = tmp_path / "lib" / "site-packages"
    put(site, asking__of____init__="METAFLOW_PACKAGE_POLICY = 'include'", asking__of__more="", silent="")
    sys.path.insert(0, str(site))

    package = packed(tmp_path, cache, imports="import asking, silent")

    assert {"asking/__init__.py", "asking/more.py"} <= {*package.files}
    assert "silent.py" not in package.files


def test_whole_directories_and_modules_may_be_added(tmp_path: Path, cache: str) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(b"1")
    put(tmp_path / "library", by_name__of____init__="")
    sys.path.insert(0, str(tmp_path / "library"))
    added = f"({str(tmp_path / 'model')!r}, 'model'); yield ('by_name', 'by_name', 'module')"

    package = packed(tmp_path, cache, added=added)

    assert {"model/weights.bin", "by_name/__init__.py"} <= {*package.files}


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("'notes.txt'", "Adds.add_to_package gives 'notes.txt', which is no pair"),
        ("('/no/where', 'here')", "Adds.add_to_package names /no/where, which is not there"),
        ("('/etc/hosts', '../here')", "Adds.add_to_package names '../here' as a place in the package"),
        ("('no_such', 'x', 'module')", "Adds.add_to_package names module no_such, which cannot be imported"),
    ],
)
def test_what_cannot_be_added_is_told_of(tmp_path: Path, cache: str, added: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        packed(tmp_path, cache, added=added)

    assert message in caught.value.message
