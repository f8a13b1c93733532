"""How often is looked, what is told of what is seen, and which requests end which attempts."""

from __future__ import annotations

from typing import Any

from asyncflow.backends.batch.book import Book, Tracked
from asyncflow.backends.batch.ending import ids_to_end
from asyncflow.backends.batch.finding import Found, note
from asyncflow.backends.batch.naming import ARRAY, GANG, ONE, Kind, parse_job_name
from asyncflow.backends.batch.pace import Pace, Rhythm
from asyncflow.backends.batch.queues import Queue
from asyncflow.backends.batch.seen import seen_member
from asyncflow.backends.remote.platform import EndReason, Phase
from asyncflow.machine.ids import Attempt

QUEUE = Queue(name="jobs", trouble="", machines=())


def tracked(id: str, kind: Kind, tasks: range) -> Tracked:
    attempts = [Attempt(task, 0) for task in tasks]
    return Tracked(id, f"name-{id}", kind, attempts, queue=QUEUE, since=0)


def found(id: str, name: str, *, status: str = "RUNNING", created_at: float = 1) -> Found:
    told = parse_job_name(name)
    assert told is not None
    return Found(id, told, name, told.attempts(), status, created_at, "jobs")


def phases(job: Tracked, *looks: dict[str, Any]) -> list[Phase]:
    told = [seen_member(job, 0, look, region="eu-west-1") for look in looks]
    return [one.phase for one in told if one is not None]


def test_jobs_that_move_are_looked_at_quickly_others_ever_less() -> None:
    rhythm = Rhythm(Pace(quick_s=1, slow_s=10))

    grown = [rhythm.after(has_moved=False, calls=1) for _ in range(8)]

    assert grown == sorted(grown)
    assert (grown[0], grown[-1]) == (1.5, 10)
    assert rhythm.after(has_moved=True, calls=1) == 1
    assert rhythm.after(has_moved=True, calls=100) == 10


def test_something_asked_for_is_looked_at_soon() -> None:
    rhythm = Rhythm(Pace(quick_s=1, slow_s=10))
    for _ in range(8):
        rhythm.after(has_moved=False, calls=1)

    rhythm.hurry()

    assert rhythm.after(has_moved=False, calls=1) == 1.5


def test_what_is_seen_is_told_once_and_never_backwards() -> None:
    job = tracked("a", ONE, range(1, 2))
    running = {"status": "RUNNING", "container": {"logStreamName": "stream"}}

    told = phases(
        job,
        {"status": "SUBMITTED"},
        {"status": "RUNNABLE"},
        running,
        running,
        {"status": "RUNNABLE"},
        running,
    )

    assert told == [Phase.PENDING, Phase.RUNNING]


def test_a_reason_to_wait_is_told_and_taken_back() -> None:
    job = tracked("a", ONE, range(1, 2))
    stuck = {"status": "RUNNABLE", "statusReason": "MISCONFIGURATION:x"}

    notes = [
        seen.note if (seen := seen_member(job, 0, look, region="r")) else None
        for look in ({"status": "RUNNABLE"}, stuck, stuck, {"status": "STARTING"})
    ]

    assert notes == ["", "MISCONFIGURATION:x", None, ""]


def test_a_log_stream_that_comes_late_is_told_once() -> None:
    job = tracked("a", ONE, range(1, 2))

    bare = seen_member(job, 0, {"status": "RUNNING"}, region="r")
    late = seen_member(job, 0, {"status": "RUNNING", "container": {"logStreamName": "s"}}, region="r")
    again = seen_member(job, 0, {"status": "RUNNING", "container": {"logStreamName": "s"}}, region="r")

    assert bare is not None
    assert "aws-batch-awslogs-stream" not in bare.metadata
    assert late is not None
    assert late.metadata["aws-batch-awslogs-stream"] == "s"
    assert again is None


def test_what_we_have_ended_is_told_as_stopped() -> None:
    job = tracked("a", ONE, range(1, 2))
    assert ids_to_end([(job, 0)]) == ["a"]

    seen = seen_member(job, 0, {"status": "FAILED", "container": {"exitCode": 143}}, region="r")

    assert seen is not None
    assert seen.end is not None
    assert seen.end.reason is EndReason.STOPPED


def test_an_array_that_ends_as_a_whole_is_one_request() -> None:
    array, gang, lone = (
        tracked("a", ARRAY, range(1, 4)),
        tracked("g", GANG, range(5, 8)),
        tracked("s", ONE, range(9, 10)),
    )
    array.members[2].phase = Phase.ENDED

    part = ids_to_end([(array, 0)])
    whole = ids_to_end([(array, 0), (array, 1), (array, 2), (gang, 1), (lone, 0)])

    assert part == ["a:0"]
    assert whole == ["a", "g", "s"]
    assert all(member.is_stopped for member in gang.members)


def test_of_two_jobs_for_an_attempt_the_one_that_lives_counts_else_the_older() -> None:
    book = Book()
    listed = [
        found("young", "af-o-1-s5-0-work", created_at=9),
        found("old", "af-o-1-a4-0-3-r-work", created_at=3),
        found("over", "af-o-1-s6-0-work", status="FAILED", created_at=1),
    ]

    twins = note(book, listed, [Attempt(5, 0), Attempt(6, 0)], {})

    place = book.place_of(Attempt(5, 0))
    assert place is not None
    assert (place[0].id, place[1]) == ("old", 1)
    assert ids_to_end(twins) == ["young"]
    assert book.place_of(Attempt(4, 0)) is None
    assert [job.id for job in book.alive()] == ["old"]
