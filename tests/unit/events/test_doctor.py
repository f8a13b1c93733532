"""The doctor says what is wrong, what can still be read, and deletes nothing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from asyncflow.errors import StoreError
from asyncflow.events.database import open_writer, transaction
from asyncflow.events.doctor import Report, Severity, check, rebuild_views
from asyncflow.events.ledger import Ledger
from tests.unit.events.stories import ignored, run_created, whole_run


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A store with two runs."""
    made = str(tmp_path / "asyncflow.db")
    with closing(open_writer(made)) as db:
        ledger = Ledger(db, made)
        with transaction(db):
            for run in (1, 2):
                events = whole_run(run, run=run)
                ledger.append(run, events[:4], 0)
                ledger.append(run, events[4:], 4)
    return made


def problems(report: Report) -> list[str]:
    return [finding.what for finding in report.findings if finding.severity is Severity.ERROR]


def change(path: str, sql: str) -> None:
    with closing(open_writer(path)) as db:
        db.execute(sql)


def test_a_sound_store_is_whole(path: str) -> None:
    report = check(path)

    assert report.is_whole
    assert report.runs == 2
    assert report.events == len(whole_run(1)) + len(whole_run(2))
    assert report.tasks > 2
    assert [finding.severity for finding in report.findings] == [Severity.OK] * 4


def test_an_empty_store_is_whole(tmp_path: Path) -> None:
    open_writer(str(tmp_path / "a.db")).close()

    assert check(str(tmp_path / "a.db")).is_whole


def test_a_store_in_use_can_be_checked(path: str) -> None:
    with closing(open_writer(path)) as db, transaction(db):
        Ledger(db, path).append(3, [run_created(3)], 0)
        report = check(path)

    assert report.is_whole
    assert report.runs == 2


def test_a_missing_store_is_a_finding_with_a_next_command(tmp_path: Path) -> None:
    report = check(str(tmp_path / "none" / "a.db"))

    (finding,) = [finding for finding in report.findings if finding.severity is Severity.ERROR]
    assert "There is no event log" in finding.what
    assert "asyncflow run" in finding.hint


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE tasks SET status = 'failed' WHERE run = 1 AND task = 1",
        "DELETE FROM tasks WHERE run = 2 AND task = 1",
        "UPDATE runs SET next_seq = 0 WHERE run = 1",
        "DELETE FROM runs WHERE run = 1",
        "INSERT INTO tags VALUES (1, 'stray', 0)",
        "UPDATE metadata SET value = 'x'",
        "INSERT INTO runs SELECT 9, flow, user, created_at, origin_run, meta, status, started_at, ended_at, next_seq, "
        "limits, stop_reason, failed_task, failed_step, branches_left, created, running, waiting, succeeded, caught, "
        "failed, cancelled, cloned FROM runs WHERE run = 1",
    ],
)
def test_wrong_views_are_found_and_made_anew(path: str, sql: str) -> None:
    change(path, sql)

    report = check(path)
    assert any("views differ" in what for what in problems(report))
    assert any("--rebuild-views" in finding.hint for finding in report.findings)

    rebuild_views(path)
    assert check(path).is_whole


def test_a_gap_is_found_and_the_other_runs_are_read(path: str) -> None:
    change(path, "DELETE FROM batches WHERE run = 1 AND seq = 4")
    with closing(open_writer(path)) as db:
        db.execute("UPDATE batches SET seq = 6, count = count WHERE run = 1 AND seq = 4")
        with transaction(db):
            db.execute("INSERT INTO batches VALUES (1, 9, 1, 0.0, x'91931401cb')")

    report = check(path)

    assert any("Run 1: its first 4 events can be read, then: " in what for what in problems(report))
    assert not any("Run 2" in what for what in problems(report))


def test_a_damaged_batch_is_found_and_views_are_not_rebuilt_from_it(path: str) -> None:
    change(path, "UPDATE batches SET body = x'c1' WHERE run = 1 AND seq = 4")

    assert any("Run 1: its first 4 events can be read" in what for what in problems(check(path)))
    with pytest.raises(StoreError, match="log of run 1 is damaged at event 4"):
        rebuild_views(path)
    with closing(open_writer(path)) as db:
        assert db.execute("SELECT count(*) FROM runs").fetchone() == (2,)


def test_damaged_pages_are_found_and_nothing_is_deleted(tmp_path: Path) -> None:
    path = tmp_path / "asyncflow.db"
    with closing(open_writer(str(path))) as db, transaction(db):
        ledger = Ledger(db, "")
        ledger.append(1, [run_created()], 0)
        for seq in range(1, 200):
            ledger.append(1, [ignored("x" * 500)], seq)
    content = bytearray(path.read_bytes())
    content[4096 * 30 : 4096 * 31] = b"\xee" * 4096
    path.write_bytes(bytes(content))

    report = check(str(path))

    assert any("damaged pages" in what for what in problems(report))
    assert not report.is_whole
    assert path.read_bytes() == bytes(content)


def test_a_file_of_garbage_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"garbage " * 1000)

    assert any("damaged, or no database" in what for what in problems(check(str(tmp_path / "a.db"))))


def test_a_log_that_was_set_aside_is_mentioned(path: str) -> None:
    Path(f"{path}-wal.damaged-1").write_bytes(b"x")

    report = check(path)

    assert report.is_whole
    assert any(
        finding.severity is Severity.WARNING and "set aside" in finding.what for finding in report.findings
    )


def test_limits_that_an_earlier_release_did_not_know_are_no_difference(path: str) -> None:
    change(path, "UPDATE runs SET limits = json_remove(limits, '$.remote_slots') WHERE run = 1")
    assert check(path).is_whole

    change(path, "UPDATE runs SET limits = json_set(limits, '$.slots', 99) WHERE run = 1")
    assert not check(path).is_whole
