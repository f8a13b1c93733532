"""The views say what the events say: live, folded in other batches, or made anew."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncflow.events.codec import Recorded, UnknownEvent
from asyncflow.events.database import create_schema, statement
from asyncflow.events.ledger import VIEWS, Ledger, rebuild_views
from asyncflow.events.rows import ArtifactRow, AttemptRow, MetadataRow, RunRow, TagRow, TaskRow, TaskStatus
from asyncflow.events.views import Changes, RunView
from asyncflow.machine import events as ev
from asyncflow.machine.ids import ManifestKey
from tests.unit.events.stories import (
    ARTIFACTS,
    AT,
    ERROR,
    ONE_OF_EACH,
    ignored,
    launched,
    run_created,
    succeeded,
    task_created,
    whole_run,
)


@contextmanager
def new_ledger() -> Iterator[Ledger]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        create_schema(db)
        yield Ledger(db, ":memory:")


def append_all(ledger: Ledger, events: Sequence[Recorded], sizes: Iterable[int], run: int = 1) -> None:
    seq = 0
    for size in sizes:
        seq = ledger.append(run, events[seq : seq + size], seq)
    ledger.append(run, events[seq:], seq)


def contents(ledger: Ledger) -> dict[str, list[tuple[object, ...]]]:
    return {table: ledger.db.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall() for table in VIEWS}


def fold(*events: Recorded, load: Callable[[int], TaskRow | None] = lambda task: None) -> Changes:
    return RunView(None, load).fold(events)


@given(seed=st.integers(0, 10_000), sizes=st.lists(st.integers(1, 9)))
def test_batches_make_no_difference(seed: int, sizes: list[int]) -> None:
    events = whole_run(seed)
    with new_ledger() as at_once, new_ledger() as piecemeal:
        append_all(at_once, events, [len(events)])
        append_all(piecemeal, events, sizes)

        assert contents(at_once) == contents(piecemeal)


@given(seed=st.integers(0, 10_000), sizes=st.lists(st.integers(1, 9)))
def test_a_driver_that_takes_over_goes_on_with_the_same_views(seed: int, sizes: list[int]) -> None:
    events = whole_run(seed)
    with new_ledger() as at_once, new_ledger() as restarted:
        append_all(at_once, events, [len(events)])
        seq = 0
        for size in [*sizes, len(events)]:
            seq = Ledger(restarted.db, "").append(1, events[seq : seq + size], seq)

        assert contents(at_once) == contents(restarted)


@given(seed=st.integers(0, 10_000), sizes=st.lists(st.integers(1, 9)))
def test_rebuilt_views_equal_live_ones(seed: int, sizes: list[int]) -> None:
    with new_ledger() as ledger:
        append_all(ledger, whole_run(seed), sizes)
        append_all(ledger, whole_run(seed + 1, run=2), sizes, run=2)
        live = contents(ledger)
        for table in VIEWS:
            ledger.db.execute(f"DELETE FROM {table}")

        assert rebuild_views(ledger.db, "") == 2

        assert contents(ledger) == live


@given(seed=st.integers(0, 10_000))
def test_the_counts_of_a_run_are_the_numbers_of_its_tasks(seed: int) -> None:
    with new_ledger() as ledger:
        append_all(ledger, whole_run(seed), [3, 1, 4, 1, 5])
        row = RunRow(*ledger.db.execute(statement("run"), (1,)).fetchone())
        tasks = Counter(status for (status,) in ledger.db.execute("SELECT status FROM tasks"))

    assert {status: getattr(row, status) for status in TaskStatus if getattr(row, status)} == dict(tasks)
    assert row.tasks == sum(tasks.values())


def test_rebuilding_one_run_leaves_the_others_alone() -> None:
    with new_ledger() as ledger:
        append_all(ledger, whole_run(1), [])
        append_all(ledger, whole_run(2, run=2), [], run=2)
        ledger.db.execute("UPDATE runs SET flow = 'wrong'")

        assert rebuild_views(ledger.db, "", run=2) == 1

        assert ledger.db.execute("SELECT flow FROM runs ORDER BY run").fetchall() == [("wrong",), ("F",)]


def test_a_task_that_begins_and_ends_within_a_batch_is_one_row() -> None:
    started = ev.AttemptStarted(at=AT + 2, cause=1, task=1, number=0, where="here", pid=9)

    changes = fold(run_created(), task_created(1), launched(1), started, succeeded(1))

    assert list(changes.added) == [1]
    assert changes.changed == {}
    assert changes.added[1].status == "succeeded"
    assert changes.added[1].pid == 9


def test_a_task_that_is_not_held_is_loaded_and_changed() -> None:
    stored = fold(run_created(), task_created(1), launched(1)).added[1]
    view = RunView(fold(run_created(), task_created(1), launched(1)).run, lambda task: stored)

    changes = view.fold([succeeded(1)])

    assert changes.added == {}
    assert changes.changed[1].status == "succeeded"
    assert changes.run is not None
    assert (changes.run.running, changes.run.succeeded) == (0, 1)


def test_paths_are_the_indices_of_all_open_scopes() -> None:
    inner = ev.ScopeOpened(
        at=AT, cause=1, task=2, step="a", width=2, manifest=ManifestKey(1, 2, 0), frames=((1, 3),)
    )
    changes = fold(
        run_created(),
        task_created(1),
        ev.ScopeOpened(at=AT, cause=1, task=1, step="start", width=5, manifest=ManifestKey(1, 1, 0)),
        task_created(2, "a", scope=1, index=3),
        inner,
        task_created(3, "b", scope=2, index=0),
        task_created(4, "c", frames=((1, 3), (2, 0))),
        task_created(5, "join", frames=((1, 3),), closes=2),
    )

    assert {task: row.path for task, row in changes.added.items()} == {
        1: "",
        2: "3",
        3: "3,0",
        4: "3,0",
        5: "3",
    }
    assert changes.added[1].width == 5
    assert changes.run is not None
    assert changes.run.branches_left == 5


def test_a_retried_task_shows_its_last_attempt_and_keeps_the_others() -> None:
    changes = fold(
        run_created(),
        task_created(1),
        launched(1),
        ev.AttemptFailed(at=AT + 2, cause=1, task=1, number=0, error=ERROR, artifacts=ARTIFACTS),
        ev.RetryScheduled(at=AT + 2, cause=1, task=1, wake_at=AT + 60),
        ev.RetryDue(at=AT + 60, cause=1, task=1),
        launched(1, 1),
        succeeded(1, 1),
    )

    task = changes.added[1]
    assert (task.status, task.attempt, task.error_type) == ("succeeded", 1, None)
    assert [(row.number, row.status, row.error_type) for row in changes.attempts] == [
        (0, "failed", "builtins.ValueError")
    ]
    assert [(row.attempt, row.name) for row in changes.artifacts] == [
        (0, "result"),
        (0, "größe"),
        (1, "result"),
        (1, "größe"),
    ]


def test_a_caught_failure_is_told_apart_from_a_success() -> None:
    changes = fold(run_created(), task_created(1), launched(1), succeeded(1, caught=ERROR))

    assert changes.added[1].status == "caught"
    assert changes.added[1].error_type == "builtins.ValueError"


def test_the_first_task_that_fails_is_the_root_cause() -> None:
    failed = [ev.TaskFailed(at=AT, cause=1, task=task, number=0, error=ERROR) for task in (2, 1)]

    changes = fold(run_created(), task_created(1), task_created(2, "train"), *failed)

    assert changes.run is not None
    assert (changes.run.failed_task, changes.run.failed_step, changes.run.failed) == (2, "train", 2)


def test_what_never_ran_is_cancelled_when_the_run_ends() -> None:
    with new_ledger() as ledger:
        ledger.append(1, [run_created(), task_created(1), task_created(2), launched(2)], 0)
        ledger.append(1, [ev.RunFinished(at=AT + 9, cause=1, status=ev.RunStatus.FAILED)], 4)

        assert ledger.db.execute("SELECT status FROM tasks").fetchall() == [("cancelled",)] * 2
        row = RunRow(*ledger.db.execute(statement("run"), (1,)).fetchone())
        assert (row.status, row.cancelled, row.created, row.running, row.ended_at) == (
            "failed",
            2,
            0,
            0,
            AT + 9,
        )


def test_a_cloned_task_names_where_its_result_is() -> None:
    cloned = next(event for event in ONE_OF_EACH if isinstance(event, ev.TaskCloned))

    task = fold(run_created(), cloned).added[4]

    assert task.status == "cloned"
    assert task.origin == task.key == ManifestKey(7, 9, 1)
    assert task.parent == ManifestKey(7, 1, 0)


def test_text_that_sqlite_refuses_is_shown_with_question_marks() -> None:
    with new_ledger() as ledger:
        lost = ev.AttemptLost(at=AT, cause=1, task=1, number=0, reason="gone \udcff")
        ledger.append(1, [run_created(user="\udcff"), task_created(1), launched(1), lost], 0)

        assert ledger.db.execute("SELECT user FROM runs").fetchone() == ("?",)
        assert ledger.db.execute("SELECT error_message FROM attempts").fetchone() == ("gone ?",)


def test_tags_and_metadata_come_from_the_first_event() -> None:
    changes = fold(run_created(origin_run=7))

    assert {(row.tag, row.is_system) for row in changes.tags} == {
        ("nightly", False),
        ("v:2", False),
        ("user:ada", True),
        ("date:2023-11-14", True),
        ("python:3.11", True),
    }
    assert {row.name: row.value for row in changes.metadata}["origin-run-id"] == "7"
    assert {row.name: row.value for row in changes.metadata}["argv"] == '["run", "--x"]'


def test_events_that_change_no_view_only_count() -> None:
    changes = fold(run_created(), ignored(), UnknownEvent(kind=99, data=b"\x91\x63"))

    assert changes.run is not None
    assert changes.run.next_seq == 3
    assert not changes.added


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
def test_an_event_of_a_task_that_never_was_is_no_error(event: ev.Event) -> None:
    for events in ([event], [run_created(), event]):
        RunView(None, lambda task: None).fold(events)


@pytest.mark.parametrize(
    ("table", "cls"),
    [
        ("runs", RunRow),
        ("tasks", TaskRow),
        ("attempts", AttemptRow),
        ("artifacts", ArtifactRow),
        ("tags", TagRow),
        ("metadata", MetadataRow),
    ],
)
def test_columns_are_the_fields_of_the_rows_in_their_order(table: str, cls: type) -> None:
    names = [item.name for item in fields(cls)]
    with new_ledger() as ledger:
        columns = [row[1] for row in ledger.db.execute(f"PRAGMA table_info({table})")]

    assert columns == names
    for name in (table, table.removesuffix("s"), f"insert_{table.removesuffix('s')}"):
        try:
            text = statement(name)
        except FileNotFoundError:
            continue
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("--"))
        listed = (
            text.split("(")[1].split(")")[0] if "INSERT" in text else text.split("FROM")[0].split("SELECT")[1]
        )
        assert [column.strip() for column in listed.split(",")] == names
