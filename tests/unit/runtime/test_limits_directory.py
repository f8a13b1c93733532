"""The directory that all runs of a user share: whose it is, who lives, what is read after a restart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from asyncflow.runtime.limits_directory import LimitsDirectory, LimitsUnavailable, find_directory
from asyncflow.runtime.limits_ledger import Holder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return find_directory()


def test_it_is_made_for_the_user_alone(place: str) -> None:
    assert os.stat(place).st_mode & 0o777 == 0o700
    assert find_directory() == place


def test_a_directory_that_others_may_enter_is_refused(place: str) -> None:
    os.chmod(place, 0o755)
    with pytest.raises(LimitsUnavailable, match="not this user's alone"):
        find_directory()


def test_a_link_in_its_place_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "asyncflow").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(LimitsUnavailable):
        find_directory()


def test_a_file_in_its_place_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "asyncflow").write_text("")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(LimitsUnavailable):
        find_directory()


def test_a_runtime_directory_that_is_not_private_is_passed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert not find_directory().startswith(str(tmp_path))


def test_a_holder_lives_until_it_closes(place: str) -> None:
    one, other = LimitsDirectory(place), LimitsDirectory(place)
    assert other.is_alive(one.token)
    one.close()
    one.close()
    assert not other.is_alive(one.token)
    other.close()
    assert os.listdir(os.path.join(place, "owners")) == []


def test_a_holder_that_is_killed_is_seen_to_be_dead_and_its_file_goes(place: str) -> None:
    code = (
        "import sys\nfrom asyncflow.runtime.limits_directory import LimitsDirectory\n"
        "print(LimitsDirectory(sys.argv[1]).token, flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdout is not None
        token = killed.stdout.readline().strip()
        mine = LimitsDirectory(place)
        assert mine.is_alive(token)
        killed.kill()
        killed.wait()
    assert not mine.is_alive(token)
    assert os.listdir(os.path.join(place, "owners")) == [mine.token]
    mine.close()


def test_what_one_writes_another_reads_and_only_one_at_a_time(place: str) -> None:
    one, other = LimitsDirectory(place), LimitsDirectory(place)
    with one.opened("concurrency:a", None) as ledger:
        assert ledger is not None
        ledger.holders[one.token] = Holder(1, "F/1", 5, held=2)
        with other.opened("concurrency:a", None) as locked:
            assert locked is None
    assert [holder.held for holder in other.ledgers()[0].holders.values()] == [2]
    one.close()
    other.close()


def test_an_unchanged_ledger_is_not_written_again(place: str) -> None:
    mine = LimitsDirectory(place)
    assert mine.signature("rate:1:a") is None
    with mine.opened("rate:1:a", 1.0) as ledger:
        assert ledger is not None
        ledger.next_at = 3.0
    signature = mine.signature("rate:1:a")
    with mine.opened("rate:1:a", 1.0):
        pass
    assert mine.signature("rate:1:a") == signature
    mine.close()


@pytest.mark.parametrize("content", ["", "{", '{"boot": "another", "ledger": {}}', '{"ledger": {}}', "[]"])
def test_what_cannot_be_read_or_is_of_another_start_of_the_machine_is_void(place: str, content: str) -> None:
    mine = LimitsDirectory(place)
    with mine.opened("concurrency:a", None) as ledger:
        assert ledger is not None
        ledger.next_at = 3.0
    (file,) = Path(place).glob("*/ledger.json")
    file.write_text(content)
    with mine.opened("concurrency:a", None) as ledger:
        assert ledger is not None
        assert ledger.next_at == 0.0
        ledger.next_at = 4.0
    assert json.loads(file.read_text())["ledger"]["next_at"] == 4.0
    mine.close()
