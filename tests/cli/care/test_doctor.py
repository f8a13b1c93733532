"""`asyncflow doctor`."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.cli.place import Place
from tests.manifests import lose_manifest

pytestmark = pytest.mark.slow


def findings(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if re.match(r"  (ok|odd|lost)  ", line)]


@pytest.fixture
def copy(history: Place, place: Place) -> Place:
    """A copy of the history, to damage."""
    shutil.copytree(history.root, place.root, dirs_exist_ok=True)
    return place


def test_a_whole_store_is_said_to_be_whole(history: Place) -> None:
    ended = history.run("doctor", "--thorough")
    assert ended.stdout.startswith("Store: HERE/.asyncflow\n  ok    ")
    assert set(findings(ended.stdout)) == {"ok"}
    assert "What finished tasks left is read (14 manifests, " in ended.stdout
    assert (ended.stderr, ended.code) == ("", 0)


def test_views_are_made_anew(copy: Place) -> None:
    before = copy.run("runs", "--json").stdout
    ended = copy.run("doctor", "--rebuild-views")
    assert "  ok    The views of 3 runs were made anew\n" in ended.stdout
    assert (ended.stderr, ended.code) == ("", 0)
    assert copy.run("runs", "--json").stdout == before


def test_a_manifest_that_is_gone_is_found(copy: Place) -> None:
    lose_manifest(copy.root / ".asyncflow", 1, 3)
    ended = copy.run("doctor")
    assert "  lost  1/measure/3: " in ended.stdout
    assert "        Run the step again: asyncflow resume 1 measure\n" in ended.stdout
    assert ended.code == 1


def test_a_blob_that_is_damaged_is_found(copy: Place) -> None:
    blob = next(path for path in (copy.root / ".asyncflow" / "blobs").rglob("*") if path.is_file())
    data = bytearray(blob.read_bytes())
    data[-1] ^= 0xFF
    blob.chmod(0o600)
    blob.write_bytes(data)
    assert copy.run("doctor").code == 0, "it is there"
    ended = copy.run("doctor", "--thorough")
    assert "lost" in findings(ended.stdout)
    assert ended.code == 1


def test_a_store_others_can_look_into_is_odd(copy: Place) -> None:
    (copy.root / ".asyncflow").chmod(0o755)
    ended = copy.run("doctor")
    assert "  odd   Others may look into the store (mode 0755)\n" in ended.stdout
    assert ended.code == 0
