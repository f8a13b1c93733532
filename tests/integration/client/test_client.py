"""What programs and notebooks see of runs: as Metaflow's client says it, and better where that is wrong."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from asyncflow import (
    DataArtifact,
    Flow,
    InvalidPathspec,
    Metaflow,
    NamespaceMismatch,
    NoSuchObject,
    Run,
    Step,
    TaggingError,
    Task,
    get_metadata,
    get_namespace,
    metadata,
    namespace,
)
from asyncflow.errors import UserError
from asyncflow.events.reader import Reader

pytestmark = pytest.mark.usefixtures("_looking")


def names(tasks: object) -> list[str]:
    return [task.pathspec.split("/", 2)[2] for task in tasks]  # type: ignore[attr-defined]


def test_a_store_is_walked_from_the_top_to_an_artifact() -> None:
    flow = Metaflow()["FamilyFlow"]
    assert [run.id for run in flow] == ["3", "2", "1"]
    run = flow["1"]
    assert next(iter(run)).id == "end"
    assert sorted(step.id for step in run) == [
        "both",
        "both_ready",
        "end",
        "gather",
        "inner",
        "left",
        "loop",
        "right",
        "start",
    ]
    task = run["start"].task
    assert task is not None
    assert [artifact.id for artifact in task] == ["alpha", "base", "is_broken"]
    assert task["base"].data == [1, 2]
    assert task.data.base == task.data.base == [1, 2]
    assert DataArtifact(f"{task.pathspec}/alpha").data == 0.25


def test_a_run_says_how_it_went() -> None:
    good, bad = Run("FamilyFlow/1"), Run("FamilyFlow/2")
    assert (good.successful, good.finished, good.status) == (True, True, "succeeded")
    assert (bad.successful, bad.finished, bad.finished_at, bad.status) == (False, False, None, "failed")
    assert good.data is not None
    assert (good.data.total, bad.data, bad.end_task) == (3, None, None)
    assert "base" in good.data
    assert "letters" not in good.data
    assert good.finished_at is not None
    assert datetime.now() - timedelta(minutes=10) < good.created_at <= good.finished_at
    assert Flow("FamilyFlow").latest_run.id == "3"  # type: ignore[union-attr]
    assert Flow("FamilyFlow").latest_successful_run.id == "1"  # type: ignore[union-attr]


def test_a_failed_task_shows_what_it_had_set_and_why_it_failed() -> None:
    task = Run("FamilyFlow/2")["end"].task
    assert task is not None
    assert (task.successful, task.finished, task.status) == (False, False, "failed")
    assert task.data.total == 3
    assert task.exception is not None
    assert task.exception.type == "builtins.KeyError"
    assert "the end" in str(task.exception)
    assert task.finished_at is not None


def test_a_caught_failure_counts_as_finished_and_not_as_successful() -> None:
    task = Run("FamilyFlow/1")["right"].task
    assert task is not None
    assert (task.successful, task.finished, task.exception) == (False, True, None)
    assert task.data.problem.type == "builtins.RuntimeError"


def test_attempts_can_be_looked_at_one_by_one() -> None:
    tried = next(task for task in Run("FamilyFlow/1")["inner"] if task.data.letter == "b")
    assert tried.current_attempt == 1
    assert [attempt.status for attempt in tried.attempts()] == ["failed", "succeeded"]
    assert tried.stdout == "attempt 1\n"
    first = Task(tried.pathspec, attempt=0)
    assert first.stdout == "attempt 0\n"
    assert first.exception is not None
    assert first.exception.type == "builtins.ValueError"
    assert tried.metadata_dict["attempt"] == "1"
    assert [item.value for item in tried.metadata if item.name == "attempt_ok"] == ["False", "True"]


def test_what_was_printed_is_told_by_stream_and_line() -> None:
    task = Run("FamilyFlow/1")["start"].task
    assert task is not None
    assert (task.stdout, task.stdout_size) == ("hello\n", 6)
    assert "oh\n" in task.stderr
    [(at, line)] = task.loglines("stdout")
    assert line == "hello"
    assert abs(at - task.created_at) < timedelta(minutes=1)
    with pytest.raises(ValueError, match="stdout"):
        next(task.loglines("stdlog"))


def test_indexes_are_of_the_innermost_foreach() -> None:
    run = Run("FamilyFlow/1")
    assert sorted(task.index for task in run["inner"]) == [0, 1]  # type: ignore[type-var]
    assert run["left"].task.index is None  # type: ignore[union-attr]
    assert run["end"].task.index is None  # type: ignore[union-attr]


@pytest.mark.parametrize("number", [1, 3])
def test_parents_and_children_are_exact_through_joins_loops_and_clones(number: int) -> None:
    run = Run(f"FamilyFlow/{number}")
    step_of = {task.id: step.id for step in run for task in step}

    def parents(task: Task) -> list[str]:
        return [step_of[parent.id] for parent in task.parent_tasks]

    assert parents(run["start"].task) == []  # type: ignore[arg-type]
    assert [parents(task) for task in run["inner"]] == [["left"], ["left"]]
    [gather] = run["gather"]
    assert [task.data.letter for task in gather.parent_tasks] == ["a", "b"]
    [both] = run["both"]
    assert parents(both) == ["gather", "both_ready"]
    loops = list(run["loop"])
    assert [parents(task) for task in loops] == [["loop"], ["loop"], ["right"]]
    assert loops[0].id not in [task.id for task in loops[0].parent_tasks]
    for step in run:
        for task in step:
            for child in task.child_tasks:
                assert task.pathspec in list(child.parent_task_pathspecs)
            for parent in task.parent_tasks:
                assert task.pathspec in list(parent.child_task_pathspecs)
    assert [step.id for step in run["both"].parent_steps] == ["gather", "both_ready"]
    assert [step.id for step in run["left"].child_steps] == ["inner"]


def test_a_resumed_run_tells_what_it_took_over() -> None:
    run = Run("FamilyFlow/3")
    assert run.origin_pathspec == "FamilyFlow/2"
    task = run["start"].task
    assert task is not None
    assert task.status == "cloned"
    assert task.origin_pathspec == Run("FamilyFlow/2")["start"].task.pathspec  # type: ignore[union-attr]
    assert task.data.base == [1, 2]
    assert task.stdout == "hello\n"
    assert task.successful
    assert task.metadata_dict["origin-run-id"] == "2"


def test_the_parameters_are_a_step_that_is_not_listed() -> None:
    task = Run("FamilyFlow/1")["_parameters"].task
    assert task is not None
    assert task["alpha"].data == 0.25
    assert task.successful


@pytest.mark.parametrize(
    ("make", "pathspec", "error"),
    [
        (Run, "FamilyFlow", InvalidPathspec),
        (Run, "FamilyFlow/1/start", InvalidPathspec),
        (Run, "FamilyFlow/999", NoSuchObject),
        (Run, "OtherFlow/1", NoSuchObject),
        (Flow, "OtherFlow", NoSuchObject),
        (Step, "FamilyFlow/1/nothing", NoSuchObject),
        (Task, "FamilyFlow/1/start/99", NoSuchObject),
        (Task, "FamilyFlow/1/end/1", NoSuchObject),
        (Task, "FamilyFlow/1/end/x", NoSuchObject),
        (DataArtifact, "FamilyFlow/1/start/1/nothing", NoSuchObject),
        (Run, "FamilyFlow/../1", InvalidPathspec),
    ],
)
def test_what_is_not_there_is_named(make: type, pathspec: str, error: type[UserError]) -> None:
    with pytest.raises(error) as caught:
        make(pathspec)
    assert caught.value.hint


def test_keys_behave_as_those_of_dicts() -> None:
    flow = Flow("FamilyFlow")
    assert "1" in flow
    assert "999" not in flow
    with pytest.raises(KeyError):
        flow["999"]
    with pytest.raises(KeyError):
        flow["1"]["nothing"]
    with pytest.raises(KeyError):
        flow["1"]["start"].task["nothing"]  # type: ignore[index]
    with pytest.raises(AttributeError, match="it has alpha, base"):
        flow["1"]["start"].task.data.nothing  # type: ignore[union-attr]  # noqa: B018
    assert "_hidden" not in [artifact.id for artifact in flow["1"]["start"].task]  # type: ignore[union-attr]
    assert flow["1"]["start"].task["_hidden"].data == 1  # type: ignore[index]


def test_a_namespace_hides_what_is_not_in_it() -> None:
    namespace("user:ada")
    assert [run.id for run in Flow("FamilyFlow")] == ["3", "2", "1"]
    namespace("first")
    assert [run.id for run in Flow("FamilyFlow")] == ["1"]
    assert [run.id for run in Flow("FamilyFlow").runs("second")] == []
    with pytest.raises(NamespaceMismatch):
        Run("FamilyFlow/2")
    namespace("user:nobody")
    assert list(Metaflow()) == []
    with pytest.raises(NamespaceMismatch):
        Flow("FamilyFlow")
    assert get_namespace() == "user:nobody"


def test_objects_survive_pickling_whatever_the_namespace() -> None:
    task = Run("FamilyFlow/1")["start"].task
    packed = pickle.dumps([task, task.data, task["base"], Run("FamilyFlow/1")])  # type: ignore[union-attr,index]
    namespace("user:nobody")
    again, data, artifact, run = pickle.loads(packed)
    assert (again.pathspec, data.base, artifact.data, run.successful) == (task.pathspec, [1, 2], [1, 2], True)  # type: ignore[union-attr]
    assert copy.deepcopy(again).data.base == [1, 2]


def test_objects_work_in_threads_and_after_a_fork() -> None:
    run = Run("FamilyFlow/1")
    assert run.successful
    said: list[object] = []
    thread = threading.Thread(target=lambda: said.append(run["start"].task.data.base))  # type: ignore[union-attr]
    thread.start()
    thread.join()
    assert said == [[1, 2]]
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(_letters, (run,)) == ["a", "b"]


def _letters(run: Run) -> list[str]:
    return run["gather"].task.data.letters  # type: ignore[union-attr,no-any-return]


def test_tags_are_put_on_and_taken_off(home: Path) -> None:
    run = Run("FamilyFlow/2")
    run.add_tag("good")
    run.add_tags(["x", "y", "user:ada"])
    assert run.user_tags == {"second", "good", "x", "y"}
    run.replace_tag("x", "z")
    run.remove_tags(["y", "never"])
    run.remove_tag("second")
    assert Run("FamilyFlow/2").user_tags == {"good", "z"}
    assert [found.id for found in Flow("FamilyFlow").runs("good", "z")] == ["2"]
    assert list(Flow("FamilyFlow").runs("second")) == []
    with Reader(str(home / "asyncflow.db")) as reader:
        assert [row.run for row in reader.runs(tags=["z"])] == [2]
    run.add_tag("second")
    assert "second" in run.user_tags
    run.remove_tags(["good", "z"])


@pytest.mark.parametrize(
    ("add", "remove"),
    [([""], []), (["x" * 501], []), ([], ["user:ada"]), ([f"t{n}" for n in range(51)], []), ([7], [])],
)
def test_a_tag_that_cannot_be_changed_changes_nothing(add: list[str], remove: list[str]) -> None:
    run = Run("FamilyFlow/1")
    before = run.tags
    with pytest.raises(TaggingError):
        run.replace_tags(remove, ["fine", *add])
    assert run.tags == before


def test_a_notebook_shows_escaped_text() -> None:
    run = Run("FamilyFlow/1")
    run.add_tag("<script>alert(1)</script>")
    try:
        shown = run._repr_html_()
        assert "<script>" not in shown
        assert "&lt;script&gt;" in shown
        for thing in (Flow("FamilyFlow"), run["inner"], run["start"].task, run["start"].task["base"]):  # type: ignore[index]
            assert "<table>" in thing._repr_html_()  # type: ignore[union-attr]
        assert repr(run) == "Run('FamilyFlow/1')"
    finally:
        run.remove_tag("<script>alert(1)</script>")


def test_a_place_without_a_store_is_refused_and_one_without_runs_is_empty(tmp_path: Path, home: Path) -> None:
    with pytest.raises(UserError, match="There is no store"):
        metadata(str(tmp_path))
    with pytest.raises(UserError, match="metadata service"):
        metadata("service@https://example.org")
    assert get_metadata() == f"local@{home}"
    assert metadata(str(home.parent)) == f"local@{home}"


def test_a_thousand_tasks_are_listed_with_one_query(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Run("FamilyFlow/1")["inner"]
    asked: list[str] = []
    query = Reader._query

    def counting(self: Reader, name: str, values: object) -> object:
        asked.append(name)
        return query(self, name, values)  # type: ignore[arg-type]

    monkeypatch.setattr(Reader, "_query", counting)
    listed = [(task.id, task.status, task.finished_at, task.data.letter) for task in step]
    assert len(listed) == 2
    assert asked == ["tasks"]
