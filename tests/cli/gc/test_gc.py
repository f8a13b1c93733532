"""`asyncflow gc`: what nobody needs goes, what anybody needs stays, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from asyncflow.errors import StoreError
from asyncflow.store.blobs import write_blob
from asyncflow.store.digests import digest_of
from asyncflow.store.layout import blob_path
from asyncflow.store.sweep import one_sweep, sweep_blobs
from tests.cli.place import Place

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, {"ASYNCFLOW_HOME": str(tmp_path / "store")})


def _blobs(place: Place) -> set[str]:
    return {str(path.relative_to(place.root / "store")) for path in (place.root / "store/blobs").glob("*/*")}


def _runs(place: Place) -> list[int]:
    return [row["run"] for row in json.loads(place.run("runs", "--json").stdout)]


def _is_whole(place: Place) -> bool:
    return place.run("doctor", "--thorough").code == 0


def test_runs_go_by_number_and_age_and_take_only_their_own_with_them(place: Place) -> None:
    heavy = place.flow("heavy")
    for _ in range(3):
        assert place.run("run", heavy).code == 0
    before = _blobs(place)
    assert place.run("gc", "--grace", "0").stdout == "There is nothing that nobody needs.\n"
    told = place.run("gc", "--keep-last", "1", "--older-than", "1d", "--grace", "0").stdout
    assert told == "There is nothing that nobody needs.\n"
    dry = json.loads(place.run("gc", "--keep-last", "1", "--grace", "0", "--dry-run", "--json").stdout)
    assert (dry["runs"], _runs(place), _blobs(place)) == ([2, 1], [3, 2, 1], before)
    done = json.loads(place.run("gc", "--keep-last", "1", "--grace", "0", "--json").stdout)
    assert done["runs"] == [2, 1]
    assert _runs(place) == [3]
    assert len(_blobs(place)) == len(before) - done["blobs"] < len(before)
    assert _is_whole(place)
    assert place.run("run", heavy).code == 0
    assert _runs(place) == [4, 3]


def test_a_run_whose_tasks_another_has_taken_over_stays(place: Place) -> None:
    heavy = place.flow("heavy")
    assert place.run("run", heavy).code == 0
    assert place.run("resume", "1", "join").code == 0
    told = place.run("gc", "--keep-last", "1", "--grace", "0")
    assert "taken over tasks of them: 1" in told.stdout
    assert _runs(place) == [2, 1]
    assert _is_whole(place)
    assert place.run("gc", "--keep-last", "0", "--grace", "0").code == 0
    assert (_runs_or_none(place), _blobs(place)) == ([], set())


def _runs_or_none(place: Place) -> list[int]:
    return list(json.loads(place.run("runs", "--json").stdout or "[]"))


def test_beside_running_runs_and_killed_again_and_again_nothing_that_is_needed_goes(place: Place) -> None:
    """Given a run that goes on, when gc runs beside it, with kills, then that run and the next ones succeed."""
    heavy, chance = place.flow("heavy"), random.Random(7)
    assert place.run("run", heavy).code == 0
    running = [place.start("run", heavy, "--nap", "0.4", "--max-workers", "3") for _ in range(2)]
    while any(process.poll() is None for process in running):
        cleaner = place.start("gc", "--keep-last", "0", "--grace", "0")
        _kill_after(cleaner, chance.uniform(0.05, 0.4))
    assert [place.end_of(process).code for process in running] == [0, 0]
    assert place.run("gc", "--grace", "0").code == 0
    assert _is_whole(place)
    assert place.run("gc", "--keep-last", "0", "--grace", "0").code == 0
    assert _blobs(place) == set()
    assert os.listdir(place.root / "store/runs") == []
    assert os.listdir(place.root / "store/tmp") == []


def _kill_after(process: Popen[bytes], seconds: float) -> None:
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_what_a_killed_cleaning_left_goes_with_the_next(place: Place) -> None:
    assert place.run("run", place.flow("heavy")).code == 0
    store = place.root / "store"
    (store / "runs/77/0").mkdir(parents=True)
    (store / "runs/77/0/3.0.log").write_text("of a run that is not in the log any more\n")
    (store / "tmp/99.1.abc").write_bytes(b"half")
    old = time.time() - 100
    os.utime(store / "runs/77", (old, old))
    os.utime(store / "tmp/99.1.abc", (old, old))
    done = json.loads(place.run("gc", "--json").stdout)
    assert (done["run_files"], done["temporary_files"]) == (1, 1)
    assert not (store / "runs/77").exists()
    assert _is_whole(place)


def test_a_blob_that_is_used_again_between_the_look_and_the_sweep_stays(tmp_path: Path) -> None:
    root, content = str(tmp_path), b"content" * 100
    digest = digest_of([content], len(content))
    write_blob(root, digest, [content], len(content), what="it")
    old = time.time() - 1000
    os.utime(blob_path(root, digest), (old, old))
    before = time.time() - 10
    write_blob(root, digest, [content], len(content), what="it")  # it is there: only touched
    assert sweep_blobs(root, [digest], set(), before=before, is_dry=False).files == 0
    assert os.path.exists(blob_path(root, digest))
    os.utime(blob_path(root, digest), (old, old))
    assert sweep_blobs(root, [digest], set(), before=before, is_dry=False).files == 1
    write_blob(root, digest, [content], len(content), what="it")
    assert os.path.exists(blob_path(root, digest))


def test_a_blob_stays_whose_files_clock_was_behind_that_of_the_attempt_that_wrote_it(place: Place) -> None:
    running = place.start("run", place.flow("patient"), "--ui", "plain")
    try:
        wait_for(lambda: [row for row in tasks_of(place, 1) if row["status"] == "running"])
        launched = min(row["launched_at"] for row in tasks_of(place, 1) if row["status"] == "running")
        root, content = str(place.root / "store"), b"written at once" * 100
        digests = [digest_of([content, bytes([at])], len(content) + 1) for at in range(2)]
        for at, (digest, behind) in enumerate(zip(digests, (0.004, 100), strict=True)):
            write_blob(root, digest, [content, bytes([at])], len(content) + 1, what="it")
            os.utime(blob_path(root, digest), (launched - behind, launched - behind))
        assert place.run("gc", "--grace", "0").code == 0
        assert [os.path.exists(blob_path(root, digest)) for digest in digests] == [True, False]
        (place.root / "go").touch()
        assert place.end_of(running).code == 0
    finally:
        running.kill()
        running.communicate()


def tasks_of(place: Place, run: int) -> list[dict[str, Any]]:
    """Return a run's tasks as the view has them; none as long as there is no store."""
    path = place.root / "store/asyncflow.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in db.execute("SELECT * FROM tasks WHERE run = ?", (run,))]
        except sqlite3.OperationalError:
            return []  # its tables are being made


def wait_for(is_so: Callable[[], object]) -> None:
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_two_cleanings_do_not_meet(tmp_path: Path) -> None:
    refused = pytest.raises(StoreError, match="cleaned by another process")
    with one_sweep(str(tmp_path)), refused, one_sweep(str(tmp_path)):
        pass


def test_a_store_whose_manifests_cannot_be_read_is_left_alone(place: Place) -> None:
    assert place.run("run", place.flow("heavy")).code == 0
    pack = place.root / "store/runs/1/0.manifests"
    import zlib

    from asyncflow.store.packs import append, sealed

    body = b"\x01\x02 of a newer release"
    append(str(pack), sealed(9, 0, b"AFM1" + zlib.crc32(body).to_bytes(4, "little") + body))
    before = _blobs(place)
    ended = place.run("gc", "--grace", "0")
    assert ended.code == 1
    assert "Nothing was removed" in ended.stderr
    assert _blobs(place) == before


@pytest.mark.parametrize("given", [("--older-than", "soon"), ("--keep-last", "-1"), ("--grace", "x")])
def test_options_that_make_no_sense_are_refused(place: Place, given: tuple[str, str]) -> None:
    assert place.run("run", place.flow("letters")).code == 0
    assert place.run("gc", *given).code == 2
