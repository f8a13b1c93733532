"""Where the store is."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from asyncflow.errors import StoreError
from asyncflow.store.home import find_home, make_home


@pytest.fixture(autouse=True)
def _no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASYNCFLOW_HOME", raising=False)


def test_the_nearest_store_upwards_is_found(tmp_path: Path) -> None:
    (tmp_path / ".asyncflow").mkdir()
    (tmp_path / "a" / ".asyncflow").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    assert find_home(str(tmp_path / "a" / "b" / "c")) == str(tmp_path / "a" / ".asyncflow")


def test_a_new_store_is_made_where_one_stands_and_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = make_home()
    assert home == str(tmp_path / ".asyncflow")
    assert stat.S_IMODE(os.stat(home).st_mode) == 0o700
    assert sorted(os.listdir(home)) == ["blobs", "runs", "tmp"]


def test_the_variable_names_the_directory_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".asyncflow").mkdir()
    monkeypatch.setenv("ASYNCFLOW_HOME", str(tmp_path / "elsewhere"))
    assert find_home(str(tmp_path)) is None
    assert make_home(str(tmp_path)) == str(tmp_path / "elsewhere")
    assert find_home(str(tmp_path)) == str(tmp_path / "elsewhere")


def test_making_a_store_twice_changes_nothing(tmp_path: Path) -> None:
    home = make_home(str(tmp_path))
    Path(home, "runs", "1").mkdir()
    assert make_home(str(tmp_path)) == home
    assert os.listdir(Path(home, "runs")) == ["1"]


def test_a_file_in_the_place_of_the_store_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / ".asyncflow").write_text("")
    with pytest.raises(StoreError, match="not a directory") as caught:
        make_home(str(tmp_path))
    assert caught.value.where == str(tmp_path / ".asyncflow")


def test_a_place_where_nothing_can_be_made_is_an_error_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ASYNCFLOW_HOME", str(tmp_path / "file" / "store"))
    with pytest.raises(StoreError, match="could not be written") as caught:
        make_home()
    assert caught.value.where == str(tmp_path / "file" / "store")
    assert "asyncflow" in caught.value.hint
