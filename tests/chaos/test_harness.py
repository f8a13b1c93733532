"""The harness finds what it looks for: each check is shown a world in which it must speak."""

from __future__ import annotations

import os
import time
from pathlib import Path

from asyncflow.machine.ids import ManifestKey
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import Manifest
from tests.chaos import checks
from tests.chaos.commands import Workplace
from tests.chaos.journal import Entry, living, read_journal
from tests.chaos.plan import Victim, plan_of
from tests.chaos.processes import kill_marked, marked, tree_of, wait_until_gone
from tests.chaos.records import Place, RunRecord, TaskRecord
from tests.chaos.shapes import SHAPES

WORK = Place("work", (1,), 0)


def begun(run: int, task: int, attempt: int, at: float) -> Entry:
    return Entry("begin", run, "work", task, attempt, "1", 1, 1, at)


def record(run: int, task: TaskRecord) -> RunRecord:
    return RunRecord(run, [], {task.task: task})


def leave_manifest(home: Path, *, attempt: int, is_ok: bool, at: float) -> None:
    store = LocalStore(str(home))
    store.write_manifest(
        Manifest(flow="F", run=1, step="work", task=2, attempt=attempt, is_ok=is_ok, ended_at=at)
    )


def test_a_changed_missing_or_added_artifact_is_found() -> None:
    expected = {WORK: {"a": "1", "b": "2"}}
    assert checks.different_results(expected, {WORK: {"a": "1", "b": "2"}}) == []
    assert len(checks.different_results(expected, {WORK: {"a": "9", "b": "2"}})) == 1
    assert len(checks.different_results(expected, {WORK: {"a": "1"}})) == 1
    assert len(checks.different_results(expected, {WORK: {"a": "1", "b": "2", "c": "3"}})) == 1


def test_a_missing_and_an_additional_task_are_found() -> None:
    expected = {WORK: {"a": "1"}}
    assert checks.different_results(expected, {}) == ["no task at work[1]#0"]
    other = Place("work", (2,), 0)
    assert checks.different_results(expected, {**expected, other: {}}) == ["a task too many at work[2]#0"]


def test_a_launch_after_success_and_a_second_success_are_found() -> None:
    good = TaskRecord(2, WORK, launches=[(1, 0)], successes=[(2, 0, 10.0)])
    assert checks.log_faults(record(1, good)) == []
    again = TaskRecord(2, WORK, launches=[(1, 0), (3, 1)], successes=[(2, 0, 10.0)])
    assert checks.log_faults(record(1, again)) == ["task 2 of run 1 was launched after it succeeded"]
    twice = TaskRecord(2, WORK, launches=[(1, 0)], successes=[(2, 0, 10.0), (3, 0, 11.0)])
    assert checks.log_faults(record(1, twice)) == ["task 2 of run 1 succeeded 2 times"]
    same = TaskRecord(2, WORK, launches=[(1, 0), (2, 0)])
    assert checks.log_faults(record(1, same)) == ["task 2 of run 1 was launched twice as one attempt"]


def test_user_code_that_begins_after_its_task_was_recorded_as_done_is_found(tmp_path: Path) -> None:
    done = record(1, TaskRecord(2, WORK, launches=[(1, 0)], successes=[(2, 0, 10.0)]))
    assert checks.rerun_tasks(tmp_path, [done], [begun(1, 2, 0, 9.0)]) == []
    assert len(checks.rerun_tasks(tmp_path, [done], [begun(1, 2, 0, 9.0), begun(1, 2, 1, 11.0)])) == 1


def test_user_code_that_begins_again_in_a_run_that_took_the_task_over_is_found(tmp_path: Path) -> None:
    done = record(1, TaskRecord(2, WORK, launches=[(1, 0)], successes=[(2, 0, 10.0)]))
    taken = record(2, TaskRecord(5, WORK, origin=ManifestKey(1, 2, 0)))
    assert len(checks.rerun_tasks(tmp_path, [done, taken], [begun(2, 5, 0, 12.0)])) == 1
    assert checks.log_faults(taken) == []


def test_user_code_of_a_task_the_log_does_not_know_is_found(tmp_path: Path) -> None:
    assert len(checks.rerun_tasks(tmp_path, [RunRecord(1, [])], [begun(1, 2, 0, 9.0)])) == 1


def test_a_finished_attempt_that_nobody_heard_of_must_not_be_run_again(tmp_path: Path) -> None:
    # Given an attempt that left a good manifest, and whose report was lost
    leave_manifest(tmp_path, attempt=0, is_ok=True, at=10.0)
    unheard = record(1, TaskRecord(2, WORK, launches=[(1, 0), (2, 1)], successes=[(3, 1, 12.0)]))
    # Then another attempt of it is a fault; after a bad manifest it is not
    assert len(checks.rerun_tasks(tmp_path, [unheard], [begun(1, 2, 0, 9.0), begun(1, 2, 1, 11.0)])) == 1
    leave_manifest(tmp_path, attempt=0, is_ok=False, at=10.0)
    assert checks.rerun_tasks(tmp_path, [unheard], [begun(1, 2, 0, 9.0), begun(1, 2, 1, 11.0)]) == []


def test_half_written_files_are_found(tmp_path: Path) -> None:
    leave_manifest(tmp_path, attempt=0, is_ok=True, at=10.0)
    assert checks.stray_files(tmp_path) == []
    (tmp_path / "runs" / "1" / "0.manifests.tmp").touch()
    (tmp_path / "blobs" / "ab").mkdir(parents=True)
    (tmp_path / "blobs" / "ab" / "c.tmp").touch()
    assert len(checks.stray_files(tmp_path)) == 2


def test_offspring_is_found_by_its_mark_and_by_its_place_below_the_scheduler(tmp_path: Path) -> None:
    # Given a process with a child and a grandchild that has left its session
    place = Workplace.make(tmp_path)
    script = "(setsid sleep 60; true) & sleep 60; true"
    invocation = place.start("-c", f"({script}); true", program=("bash",))
    deadline = time.monotonic() + 10
    while len(marked(invocation.mark)) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    # Then all are found, and told apart
    tree = tree_of(invocation.pid, invocation.mark)
    assert tree.zygotes
    assert tree.tasks
    # When the first is killed, Then the others are orphans until they are killed too
    invocation.process.kill()
    invocation.process.wait(10)
    assert wait_until_gone(invocation.mark, 0.1) != []
    kill_marked(invocation.mark)
    assert wait_until_gone(invocation.mark, 2.0) == []


def test_a_noted_process_is_known_to_live_even_without_a_mark(tmp_path: Path) -> None:
    stat = Path(f"/proc/{os.getpid()}/stat").read_text()
    started = stat.rsplit(")", 1)[1].split()[19]
    journal = tmp_path / "journal"
    journal.write_text(
        f"spawned 1 work 2 0 - {os.getpid()} {started} 1.0\nspawned 1 work 2 0 - {os.getpid()} 1 1.0\n"
    )
    assert [entry.started for entry in living(read_journal(journal))] == [int(started)]


def test_plans_follow_from_their_seed_and_together_strike_everything() -> None:
    plans = [plan_of(seed, SHAPES) for seed in range(300)]
    assert plans == [plan_of(seed, SHAPES) for seed in range(300)]
    assert {plan.shape.name for plan in plans} == {shape.name for shape in SHAPES}
    assert {strike.victim for plan in plans for strike in plan.strikes} == set(Victim)
    assert {(plan.is_shared, plan.is_hasty) for plan in plans} == {(a, b) for a in (0, 1) for b in (0, 1)}
