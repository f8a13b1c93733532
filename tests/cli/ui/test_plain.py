"""The plain UI: from events and log lines to Metaflow's line format."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from asyncflow.cli.plain import PlainUI, Stamp
from asyncflow.cli.writer import Writer
from asyncflow.machine import events as ev
from asyncflow.machine.graph import Graph, StepNode, Transition
from asyncflow.machine.ids import Attempt, ManifestKey
from asyncflow.machine.outcome import ErrorInfo

AT = 1_700_000_000.0
KEY = ManifestKey(7, 0, 0)
PYTHON_ERROR = ErrorInfo("builtins.ValueError", "no", traceback="Traceback ...")

GRAPH = Graph(
    flow="F",
    start="start",
    end="end",
    steps={
        "start": StepNode(name="start", transition=Transition.FOREACH, next=("a",)),
        "a": StepNode(name="a", transition=Transition.LINEAR, next=("j",)),
        "j": StepNode(name="j", transition=Transition.LINEAR, next=("end",), closes="start"),
        "end": StepNode(name="end", transition=Transition.END),
    },
)


class Shown:
    """A plain UI, and what it wrote."""

    def __init__(self, *, is_terminal: bool = False, steps: dict[int, str] | None = None) -> None:
        self._chunks: list[bytes] = []
        self.ui = PlainUI(GRAPH, steps, writer=Writer(self._chunks.append), is_terminal=is_terminal)
        self.ui.registered(7)

    def events(self, *events: ev.Event) -> None:
        self.ui.events(0, events)

    def text(self) -> str:
        """Return what was written, without the times."""
        self.ui.close()
        return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} ", "", b"".join(self._chunks).decode())


def created(task: int, step: str) -> ev.TaskCreated:
    return ev.TaskCreated(at=AT, cause=0, task=task, step=step, parent=KEY)


def launched(task: int, number: int = 0) -> ev.AttemptLaunched:
    return ev.AttemptLaunched(at=AT, cause=0, task=task, number=number)


def started(task: int, number: int = 0, pid: int | None = 11) -> ev.AttemptStarted:
    return ev.AttemptStarted(at=AT, cause=0, task=task, number=number, where="here", pid=pid)


def succeeded(task: int, width: int | None = None) -> ev.AttemptSucceeded:
    return ev.AttemptSucceeded(at=AT, cause=0, task=task, number=0, width=width)


def failed(task: int, error: ErrorInfo = PYTHON_ERROR) -> ev.AttemptFailed:
    return ev.AttemptFailed(at=AT, cause=0, task=task, number=0, error=error)


def living(count: int) -> Sequence[ev.Event]:
    return [
        event for task in range(1, count + 1) for event in (created(task, "a"), launched(task), started(task))
    ]


def test_a_time_has_milliseconds_in_the_local_zone() -> None:
    stamp = Stamp()
    expected = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(AT))
    assert stamp(AT + 0.25) == f"{expected}.250"
    assert stamp(AT + 0.5) == f"{expected}.500"


def test_a_foreach_says_how_many_children_it_yields() -> None:
    shown = Shown()
    shown.events(created(1, "start"), launched(1), started(1), succeeded(1, width=3))
    assert shown.text() == (
        "[7/start/1 (pid 11)] Task is starting.\n"
        "[7/start/1 (pid 11)] Foreach yields 3 child steps.\n"
        "[7/start/1 (pid 11)] Task finished successfully.\n"
    )


def test_one_child_is_singular() -> None:
    shown = Shown()
    shown.events(created(1, "start"), launched(1), started(1), succeeded(1, width=1))
    assert "Foreach yields 1 child step.\n" in shown.text()


def test_lines_that_come_before_the_process_is_known_wait_for_it() -> None:
    shown = Shown()
    shown.events(created(1, "a"), launched(1))
    shown.ui.lines(Attempt(1, 0), "stdout", b"early\n")
    shown.events(started(1))
    shown.ui.lines(Attempt(1, 0), "stdout", b"late\nlater\n")
    assert shown.text() == (
        "[7/a/1 (pid 11)] Task is starting.\n"
        "[7/a/1 (pid 11)] early\n"
        "[7/a/1 (pid 11)] late\n"
        "[7/a/1 (pid 11)] later\n"
    )


def test_lines_of_a_process_that_was_never_known_are_shown_at_its_end() -> None:
    shown = Shown()
    shown.events(created(1, "a"), launched(1))
    shown.ui.lines(Attempt(1, 0), "stderr", b"only\n")
    shown.events(failed(1))
    assert shown.text() == "[7/a/1] only\n[7/a/1] Task failed.\n"


def test_a_retry_and_a_fallback_are_told_apart() -> None:
    shown = Shown()
    shown.events(created(1, "a"), launched(1), started(1), failed(1))
    shown.events(
        ev.RetryScheduled(at=AT, cause=0, task=1, wake_at=AT + 120), launched(1, 1), started(1, 1, 12)
    )
    shown.events(failed(1), ev.RetryScheduled(at=AT, cause=0, task=1, wake_at=AT, is_fallback=True))
    shown.events(launched(1, 2), started(1, 2, 13), succeeded(1))
    assert shown.text() == (
        "[7/a/1 (pid 11)] Task is starting.\n"
        "[7/a/1 (pid 11)] Task failed.\n"
        "[7/a/1 (pid 11)] Task will be tried again in 120 seconds.\n"
        "[7/a/1 (pid 12)] Task is starting (retry).\n"
        "[7/a/1 (pid 12)] Task failed.\n"
        "[7/a/1 (pid 13)] Task fallback is starting to handle the failure.\n"
        "[7/a/1 (pid 13)] Task finished successfully.\n"
    )


def test_a_failed_run_says_what_it_does_with_the_others() -> None:
    shown = Shown()
    shown.events(*living(3))
    error = ErrorInfo("asyncflow.WorkerLost", "killed by signal 11 (SIGSEGV)")
    shown.events(
        failed(1, error),
        ev.TaskFailed(at=AT, cause=0, task=1, number=0, error=error),
        ev.RunStopping(at=AT, cause=0, reason=ev.StopReason.FAILURE, stop_at=AT + 5),
    )
    shown.events(*(ev.StopAsked(at=AT + 15, cause=0, task=task, number=0, force=True) for task in (2, 3)))
    shown.events(
        ev.AttemptCancelled(at=AT, cause=0, task=2, number=0),
        ev.AttemptCancelled(at=AT, cause=0, task=3, number=0),
        ev.RunFinished(at=AT, cause=0, status=ev.RunStatus.FAILED),
    )
    assert shown.text() == (
        "[7/a/1 (pid 11)] Task is starting.\n"
        "[7/a/2 (pid 11)] Task is starting.\n"
        "[7/a/3 (pid 11)] Task is starting.\n"
        "[7/a/1 (pid 11)] Task failed with a segmentation fault.\n"
        "[7/a/1 (pid 11)] This failed task will not be retried.\n"
        "Workflow failed.\n"
        "Terminating 2 active tasks...\n"
        "Killing 2 remaining tasks after having waited for 10 seconds -- some tasks may not exit cleanly\n"
        "[7/a/2 (pid 11)] Task was stopped.\n"
        "[7/a/3 (pid 11)] Task was stopped.\n"
    )


def test_a_cancelled_run_says_who_asked() -> None:
    shown = Shown()
    shown.events(
        *living(1), ev.RunStopping(at=AT, cause=0, reason=ev.StopReason.CANCEL, stop_at=AT, by="SIGINT")
    )
    assert shown.text().endswith("Workflow interrupted. Asked by SIGINT.\nTerminating 1 active task...\n")


def test_a_run_that_kept_going_says_at_its_end_that_it_failed() -> None:
    shown = Shown()
    shown.events(ev.RunFinished(at=AT, cause=0, status=ev.RunStatus.FAILED))
    assert shown.text() == "Workflow failed.\n"


def test_clones_are_counted_not_listed() -> None:
    shown = Shown()
    run = ev.RunCreated(at=AT, run=7, flow="F", user="ada", graph={}, limits=ev.Limits(), origin_run=6)
    clones = [
        ev.TaskCloned(at=AT, cause=0, task=task, step="a", parent=KEY, origin=ManifestKey(6, task, 0))
        for task in range(2, 1202)
    ]
    start = ev.TaskCloned(at=AT, cause=0, task=1, step="start", parent=KEY, origin=ManifestKey(6, 1, 0))
    shown.events(run, start, *clones)
    assert shown.text() == ("Workflow starting (run-id 7):\nCloned 1,201 tasks of run 6: start, a (1,200).\n")


def test_a_continued_run_knows_the_tasks_it_had() -> None:
    shown = Shown(steps={5: "j"})
    shown.events(
        ev.DriverChanged(at=AT, cause=0, host="h", pid=1, limits=ev.Limits()), launched(5, 1), started(5, 1)
    )
    assert shown.text() == "Workflow continuing (run-id 7):\n[7/j/5 (pid 11)] Task is starting (retry).\n"


def test_on_a_terminal_a_task_cannot_give_orders() -> None:
    shown = Shown(is_terminal=True)
    shown.events(created(1, "a"), launched(1), started(1))
    shown.ui.lines(Attempt(1, 0), "stdout", b"\x1b[2J\x1b[1;1Hfake\nprefix gone\rspoofed\n")
    error = ErrorInfo("asyncflow.WorkerLost", "reason \x1b[2J\nsecond line")
    shown.events(failed(1, error))
    assert shown.text() == (
        "[7/a/1 (pid 11)] Task is starting.\n"
        "[7/a/1 (pid 11)] \\x1b[2J\\x1b[1;1Hfake\n"
        "[7/a/1 (pid 11)] spoofed\n"
        "[7/a/1 (pid 11)] reason \\x1b[2J second line\n"
        "[7/a/1 (pid 11)] Task failed.\n"
    )


def test_elsewhere_the_bytes_stay_as_they_are() -> None:
    shown = Shown()
    shown.events(created(1, "a"), launched(1), started(1))
    shown.ui.lines(Attempt(1, 0), "stdout", b"\x1b[31mred\x1b[0m\n")
    assert shown.text().endswith("[7/a/1 (pid 11)] \x1b[31mred\x1b[0m\n")


def test_ended_tasks_are_forgotten() -> None:
    shown = Shown()
    for task in range(1, 1000):
        shown.events(created(task, "a"), launched(task), started(task), succeeded(task))
    shown.events(created(1000, "a"), launched(1000), started(1000))
    story = shown.ui._story
    assert [len(held) for held in (story._steps, story._pids, story._running)] == [1, 1, 1]


def test_a_million_lines_cost_little() -> None:
    shown = Shown()
    shown.events(created(1, "a"), launched(1), started(1))
    chunk = b"a line of some sixty characters as a program prints it, often\n" * 10_000
    began = time.process_time()
    for _ in range(100):
        shown.ui.lines(Attempt(1, 0), "stdout", chunk)
    assert time.process_time() - began < 1.0
