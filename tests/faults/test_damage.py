"""Damaged and deleted files are named, nothing is made up in their place, and what can go on goes on."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from asyncflow.store.local import LocalStore
from tests.chaos.commands import Ended, Workplace
from tests.chaos.journal import wait_for_begin
from tests.chaos.processes import wait_until_gone
from tests.chaos.records import RunRecord, read_run
from tests.chaos.subject import Reference, Subject, reference_of
from tests.faults.support import FLOW, assert_clear, assert_recovers, run_flow
from tests.manifests import damage_manifest, lose_manifest, record_of

DAMAGED = r"[Dd]amaged|not a database|cannot be read|no database"
MISSING = r"missing|deleted"
SLOW = ("--seconds", "0.2")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A store with one good run; tests work on copies."""
    place = Workplace.make(tmp_path_factory.mktemp("finished") / "work")
    ended = run_flow(place)
    assert ended.code == 0, ended.text
    return place


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A store whose only writer was killed in the middle, so that the log is in the write-ahead file."""
    place = Workplace.make(tmp_path_factory.mktemp("interrupted") / "work")
    run_id_file = str(place.root / "run-id")
    invocation = place.start("run", str(FLOW), "--run-id-file", run_id_file, "--max-workers", "1", *SLOW)
    wait_for_begin(place.journal, "work")
    time.sleep(0.3)
    invocation.process.kill()
    invocation.process.wait(10)
    assert wait_until_gone(invocation.mark, 2.0) == []
    assert (place.home / "asyncflow.db-wal").stat().st_size > 0
    return place


@pytest.fixture(scope="module")
def slow_reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return reference_of(FLOW, tmp_path_factory.mktemp("reference") / "work", options=SLOW)


def copy_of(place: Workplace, directory: Path) -> Workplace:
    shutil.copytree(place.root, directory)
    return Workplace.make(directory)


def blob_of(place: Workplace, step: str, name: str) -> Path:
    """Return the file of an artifact of a step's first task."""
    store = LocalStore(str(place.home))
    record = read_run(place.home, 1)
    task = next(task for task in record.tasks.values() if task.place.step == step)
    digest = store.read_manifest(1, task.task, 0).artifacts[name].digest
    return place.home / "blobs" / digest[:2] / digest[2:]


def task_of(place: Workplace, step: str) -> int:
    return next(task.task for task in read_run(place.home, 1).tasks.values() if task.place.step == step)


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(data)


# The database


@pytest.mark.parametrize("wreck", ["header", "empty header", "other program"])
@pytest.mark.parametrize("command", ["run", "runs", "resume", "logs", "doctor"])
def test_a_damaged_database_is_named(finished: Workplace, tmp_path: Path, wreck: str, command: str) -> None:
    # Given a database whose first bytes are wrong
    place = copy_of(finished, tmp_path / "work")
    database = place.home / "asyncflow.db"
    beginning = {
        "header": b"not a database at all\n" * 5,
        "empty header": bytes(100),
        "other program": b"\x7fELF" * 25,
    }
    database.write_bytes(beginning[wreck] + database.read_bytes()[100:])
    before = database.read_bytes()
    # When it is used
    args = {
        "run": ("run", str(FLOW)),
        "runs": ("runs",),
        "resume": ("resume", "1"),
        "logs": ("logs", "1/work"),
        "doctor": ("doctor",),
    }
    ended = place.run(*args[command])
    # Then the file is named, and left as it was for somebody who can repair it
    assert_clear(ended, DAMAGED, "asyncflow.db")
    assert database.read_bytes() == before


def test_a_damaged_page_is_found_by_doctor(finished: Workplace, tmp_path: Path) -> None:
    place = copy_of(finished, tmp_path / "work")
    database = place.home / "asyncflow.db"
    data = bytearray(database.read_bytes())
    for page in range(4096, len(data), 4096):
        data[page : page + 64] = bytes(64)
    database.write_bytes(data)
    assert_clear(place.run("doctor"), DAMAGED)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.2, 0.5, 0.8, 0.97, 0.999])
def test_a_write_ahead_file_that_was_cut_off_gives_back_a_whole_past(
    interrupted: Workplace, slow_reference: Reference, tmp_path: Path, share: float
) -> None:
    # Given a write-ahead file that lost its end
    place = copy_of(interrupted, tmp_path / "work")
    wal = place.home / "asyncflow.db-wal"
    data = wal.read_bytes()
    wal.write_bytes(data[: int(len(data) * share)])
    # When the run is resumed, or started again where nothing of it is left
    _goes_on(place, slow_reference)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 0.99])
def test_a_write_ahead_file_with_a_flipped_byte_gives_back_a_whole_past(
    interrupted: Workplace, slow_reference: Reference, tmp_path: Path, share: float
) -> None:
    place = copy_of(interrupted, tmp_path / "work")
    wal = place.home / "asyncflow.db-wal"
    flip(wal, int(wal.stat().st_size * share))
    _goes_on(place, slow_reference)


def _goes_on(place: Workplace, expected: Reference) -> None:
    """Check that what is left of a log is the log of an earlier moment, and that it can be gone on from."""
    doctor = place.run("doctor")
    assert_clear(doctor, "ok|lost", code=doctor.code)
    subject = Subject(place)
    if subject.find():
        ended = place.run("resume", str(subject.run))
    else:
        ended = run_flow(place, *SLOW)
        assert subject.find()
    assert ended.code == 0, ended.text
    assert subject.after_end(ended) == "succeeded"
    # The journal knows of steps that the shortened log does not, so it is not compared.
    place.journal.unlink()
    assert subject.faults(expected) == []


def test_a_deleted_database_beside_old_manifests_does_not_lend_them_to_new_runs(
    finished: Workplace, expected: Reference, tmp_path: Path
) -> None:
    # Given a store whose database was deleted, so that run ids begin at 1 again
    place = copy_of(finished, tmp_path / "work")
    for file in place.home.glob("asyncflow.db*"):
        file.unlink()
    place.journal.unlink()
    # When the first run of the new database has a worker that dies before it has done anything
    flow = FLOW.with_name("dies.py")
    ended = place.run("run", str(flow))
    # Then the manifest of the old run 1 does not count as its work
    assert_clear(ended, "start", code=1)


# Blobs and manifests


def dump_of_noise(place: Workplace) -> Ended:
    """Show the artifact; one that cannot be shown is said so beside the others."""
    return place.run("dump", "1/work", "--include", "noise", "--max-value-size", "100000")


@pytest.mark.parametrize("where", [0, 70, -1])
def test_a_damaged_blob_is_named_and_not_used(finished: Workplace, tmp_path: Path, where: int) -> None:
    # Given an artifact with one wrong byte
    place = copy_of(finished, tmp_path / "work")
    blob = blob_of(place, "work", "noise")
    flip(blob, where)
    # When it is shown, used, or looked for, Then it is named
    assert_clear(dump_of_noise(place), rf"noise .*({DAMAGED})", code=1)
    ended = place.run("resume", "1", "join")
    assert_clear(ended, DAMAGED, "noise", "Delete that file", str(blob), r"asyncflow resume")
    assert_clear(place.run("doctor", "--thorough"), DAMAGED, blob.name)
    # And it is made again when it is deleted, as the message says, and its step runs
    blob.unlink()
    assert place.run("resume", "1", "work").code == 0
    assert place.run("doctor").code == 0


def test_a_thorough_doctor_finds_one_wrong_byte_in_an_artifact_that_is_mapped(
    finished: Workplace, tmp_path: Path
) -> None:
    # Given an artifact so large that reading it does not compare its digest
    place = copy_of(finished, tmp_path / "work")
    ended = place.run("run", str(FLOW), "--kilobytes", "1500")
    assert ended.code == 0, ended.text
    largest = max(
        (place.home / "blobs").rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0
    )
    flip(largest, 700_000)
    # Then the thorough look names it
    assert place.run("doctor").code == 0
    assert_clear(place.run("doctor", "--thorough"), DAMAGED, largest.name)


def test_a_deleted_blob_is_named_and_made_again_by_its_step(
    finished: Workplace, expected: Reference, tmp_path: Path
) -> None:
    place = copy_of(finished, tmp_path / "work")
    blob = blob_of(place, "work", "noise")
    blob.unlink()
    assert_clear(dump_of_noise(place), rf"noise .*({MISSING})", code=1)
    assert_clear(place.run("resume", "1", "join"), MISSING, "noise", r"asyncflow resume")
    assert_clear(place.run("doctor"), MISSING)
    assert place.run("resume", "1", "work").code == 0
    assert place.run("doctor").code == 0
    assert blob.exists()


@pytest.mark.parametrize("wreck", ["deleted", "flipped", "cut off"])
def test_a_lost_manifest_is_named_and_its_task_runs_again(
    finished: Workplace, expected: Reference, tmp_path: Path, wreck: str
) -> None:
    # Given a task whose manifest is gone or damaged
    place = copy_of(finished, tmp_path / "work")
    _wreck(place.home, task_of(place, "work"), wreck)
    phrase = DAMAGED if wreck == "flipped" else MISSING
    # When it is read, Then it is named
    dump = place.run("dump", "1/work")
    assert_clear(dump, phrase, r"manifest", code=dump.code)
    assert_clear(place.run("doctor"), phrase, r"manifest")
    # When a run takes over the work around it, Then it says so instead of making something up
    ended = place.run("resume", "1", "join")
    assert ended.code in (0, 1), ended.text
    if ended.code == 1:
        assert_clear(ended, phrase)
    # And running the step again heals
    again = place.run("resume", "1", "work")
    assert again.code == 0, again.text


def _wreck(home: Path, task: int, how: str) -> None:
    path, entry = record_of(home, 1, task)
    if how == "deleted":
        lose_manifest(home, 1, task)
    elif how == "flipped":
        damage_manifest(home, 1, task, at=entry.length // 2)
    else:
        os.truncate(path, entry.offset + entry.length - 1)


def test_a_record_of_runs_reads_the_same_before_and_after_doctor_rebuilds_the_views(
    finished: Workplace, tmp_path: Path
) -> None:
    place = copy_of(finished, tmp_path / "work")
    before: RunRecord = read_run(place.home, 1)
    rows = place.run("runs", "--json").stdout
    assert place.run("doctor", "--rebuild-views").code == 0
    assert read_run(place.home, 1).events == before.events
    assert place.run("runs", "--json").stdout == rows


def test_a_flow_interrupted_by_a_fault_is_the_one_that_goes_on(
    interrupted: Workplace, slow_reference: Reference, tmp_path: Path
) -> None:
    """The fixture itself: an interrupted run that nothing was done to goes on, doing nothing twice."""
    place = copy_of(interrupted, tmp_path / "work")
    ended = place.run("runs", "--json")
    assert '"interrupted"' in ended.stdout
    assert_recovers(place, slow_reference, after=ended)
