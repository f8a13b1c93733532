"""What is known of a run's pods, and what of it is told."""

from __future__ import annotations

from typing import Any

from asyncflow.backends.kubernetes.book import Book
from asyncflow.backends.remote.platform import EndReason, Phase
from asyncflow.machine.ids import Attempt

ONE = Attempt(1, 0)


def pod(
    task: int = 1, phase: str = "Running", *, run: int = 7, owner: str = "0badcafe", **more: Any
) -> dict[str, Any]:
    labels = {
        "asyncflow/owner": owner,
        "asyncflow/run": str(run),
        "asyncflow/task": str(task),
        "asyncflow/attempt": "0",
    }
    metadata = {"name": f"pod-{task}", "namespace": "flows", "uid": f"uid-{task}", "labels": labels}
    return {"metadata": {**metadata, **more}, "spec": {"nodeName": "node-1"}, "status": {"phase": phase}}


def claimed() -> Book:
    book = Book("0badcafe", 7)
    book.claim(ONE, "pod-1", "flows", 0.0).is_created = True
    return book


def test_what_is_told_twice_is_no_news() -> None:
    book = claimed()
    book.saw(pod(), 1.0)
    assert [one.phase for one in book.take_news()] == [Phase.RUNNING]
    book.saw(pod(), 2.0)
    assert not book.has_news()


def test_changes_that_nobody_took_become_one() -> None:
    book = claimed()
    for phase in ("Pending", "Running", "Succeeded"):
        book.saw(pod(phase=phase), 1.0)
    (seen,) = book.take_news()
    assert seen.phase is Phase.ENDED


def test_an_end_is_told_once_and_nothing_after_it() -> None:
    book = claimed()
    book.saw(pod(phase="Succeeded"), 1.0)
    assert len(book.take_news()) == 1
    book.saw(pod(phase="Running"), 2.0)
    book.saw(pod(phase="Succeeded"), 2.0)
    book.saw(pod(phase="Succeeded"), 3.0, is_deleted=True)
    assert not book.has_news()


def test_pods_of_others_are_not_told() -> None:
    book = claimed()
    assert book.saw(pod(run=8), 1.0) is None
    assert book.saw(pod(owner="other"), 1.0) is None
    assert book.saw({"metadata": {"name": "x", "namespace": "flows"}}, 1.0) is None
    assert not book.has_news()


def test_a_pod_is_told_only_to_who_asked_for_it() -> None:
    book = Book("0badcafe", 7)
    book.saw(pod(phase="Succeeded"), 1.0)
    assert not book.has_news()
    book.claim(ONE, "pod-1", "flows", 2.0)
    (seen,) = book.take_news()
    assert seen.end is not None
    assert seen.end.reason is EndReason.SUCCEEDED


def test_another_pod_with_our_labels_is_not_taken_for_ours() -> None:
    book = claimed()
    assert book.saw(pod(name="copy"), 1.0) is None


def test_a_list_without_a_pod_that_was_there_ends_it() -> None:
    book = claimed()
    book.saw(pod(), 1.0)
    expected = book.expected("flows")
    late = book.claim(Attempt(2, 0), "pod-2", "flows", 1.0)
    late.is_created = True  # while the list was on its way
    book.missed(expected, [])
    ends = [one for one in book.take_news() if one.phase is Phase.ENDED]
    assert [one.attempt for one in ends] == [ONE]
    assert ends[0].end is not None
    assert ends[0].end.reason is EndReason.LOST


def test_a_list_does_not_miss_what_was_only_asked_for() -> None:
    book = Book("0badcafe", 7)
    book.claim(ONE, "pod-1", "flows", 0.0)
    assert book.expected("flows") == []
    assert book.expected("other") == []


def test_what_we_stopped_and_is_gone_was_stopped() -> None:
    book = claimed()
    book.saw(pod(), 1.0)
    entry = book.get(ONE)
    assert entry is not None
    entry.is_stopped = True
    book.missed(book.expected("flows"), [])
    (seen,) = book.take_news()
    assert seen.end is not None
    assert seen.end.reason is EndReason.STOPPED


def test_a_pod_that_is_removed_after_its_end_was_told_is_forgotten() -> None:
    book = claimed()
    book.saw(pod(phase="Succeeded"), 1.0)
    book.take_news()
    entry = book.get(ONE)
    assert entry is not None
    entry.is_told = True
    book.saw(pod(phase="Succeeded"), 2.0, is_deleted=True)
    assert book.get(ONE) is None
    assert book.saw(pod(phase="Succeeded"), 3.0, is_deleted=True) is None
    assert list(book.entries()) == []


def test_where_and_names_of_things_are_told() -> None:
    book = claimed()
    book.saw(pod(), 1.0)
    (seen,) = book.take_news()
    assert seen.where == "pod pod-1 on node-1"
    assert seen.metadata["kubernetes-pod-id"] == "uid-1"
