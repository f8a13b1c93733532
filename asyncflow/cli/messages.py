"""What is said about a run while it goes on: a fold of its events into Metaflow's messages, which people grep for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from asyncflow.machine import events as ev
from asyncflow.machine.graph import Graph, Transition

__all__ = ["Message", "Story"]


class Message(NamedTuple):
    """One message."""

    at: float
    """Seconds since the epoch."""
    place: str
    """Whom it is about: `42/start/1 (pid 123)`; empty for the run."""
    text: str


class Story:
    """Tells a run, event by event. Remembers the tasks that have not ended, and nothing else.

    Args:
        run: The run's id.
        graph: The flow's graph.
        steps: Step by task, of the tasks that exist already when a run is continued.
    """

    def __init__(self, run: int, graph: Graph, steps: Mapping[int, str] | None = None) -> None:
        self.run = run
        self._graph = graph
        self._steps = dict(steps or {})
        self._pids: dict[int, int | None] = {}
        self._running: dict[int, None] = {}
        self._fallbacks: dict[int, None] = {}
        self._last_place: dict[int, str] = {}
        self._cloned: dict[str, int] = {}
        self._origin: int | None = None
        self._killed = 0
        self._stop_at = 0.0
        self._has_failed = False

    def tell(self, event: ev.Event) -> Sequence[Message]:
        """Take an event; return what is to be said about it, in order."""
        method = _TELL.get(type(event))
        said = () if method is None else method(self, event)
        if said and self._cloned:
            return [Message(event.at, "", self._take_cloned()), *said]
        return said

    def end_turn(self, at: float) -> Sequence[Message]:
        """Return what is said of a whole turn's events at once."""
        said: list[Message] = []
        if self._cloned:
            said.append(Message(at, "", self._take_cloned()))
        if self._killed:
            said.append(Message(at, "", self._take_killed(at)))
        return said

    def is_started(self, task: int) -> bool:
        """Tell whether an attempt of the task is known to run."""
        return task in self._pids

    def place(self, task: int) -> str:
        """Return the task's pathspec, with the process id while it runs: `42/start/1 (pid 123)`."""
        pid = self._pids.get(task)
        spec = f"{self.run}/{self._steps.get(task, '?')}/{task}"
        return spec if pid is None else f"{spec} (pid {pid})"

    # One method an event

    def run_created(self, event: ev.RunCreated) -> Sequence[Message]:
        self._origin = event.origin_run
        return [Message(event.at, "", f"Workflow starting (run-id {event.run}):")]

    def driver_changed(self, event: ev.DriverChanged) -> Sequence[Message]:
        return [Message(event.at, "", f"Workflow continuing (run-id {self.run}):")]

    def task_created(self, event: ev.TaskCreated) -> Sequence[Message]:
        self._steps[event.task] = event.step
        return ()

    def task_cloned(self, event: ev.TaskCloned) -> Sequence[Message]:
        self._cloned[event.step] = self._cloned.get(event.step, 0) + 1
        return ()

    def attempt_launched(self, event: ev.AttemptLaunched) -> Sequence[Message]:
        self._running[event.task] = None
        return ()

    def attempt_started(self, event: ev.AttemptStarted) -> Sequence[Message]:
        self._pids[event.task] = event.pid
        if self._fallbacks.pop(event.task, 0) is None:
            text = "Task fallback is starting to handle the failure."
        elif event.number > 0:
            text = "Task is starting (retry)."
        else:
            text = "Task is starting."
        return [Message(event.at, self.place(event.task), text)]

    def attempt_pending(self, event: ev.AttemptPending) -> Sequence[Message]:
        return [Message(event.at, self.place(event.task), f"Task is pending: {event.why}")]

    def attempt_succeeded(self, event: ev.AttemptSucceeded) -> Sequence[Message]:
        place = self._end_attempt(event.task)
        text = "Task finished successfully."
        if event.reused is not None:
            text = f"Task was made of the same as task {event.reused.task} of run {event.reused.run}: taken over."
        said = [Message(event.at, place, text)]
        node = self._graph.steps.get(self._steps.pop(event.task, ""))
        if event.width is not None and node is not None and node.transition is not Transition.SPLIT:
            steps = "step" if event.width == 1 else "steps"
            said.insert(0, Message(event.at, place, f"Foreach yields {event.width} child {steps}."))
        return said

    def attempt_failed(self, event: ev.AttemptFailed) -> Sequence[Message]:
        place = self._last_place[event.task] = self._end_attempt(event.task)
        error = event.error
        if "SIGSEGV" in error.message and not error.traceback:
            return [Message(event.at, place, "Task failed with a segmentation fault.")]
        said = [Message(event.at, place, "Task failed.")]
        if not error.traceback:  # no Python code could tell, so the task's log does not say it
            said.insert(0, Message(event.at, place, error.message))
        return said

    def attempt_lost(self, event: ev.AttemptLost) -> Sequence[Message]:
        place = self._end_attempt(event.task)
        return [Message(event.at, place, f"Task was lost, and starts again: {event.reason}")]

    def attempt_timed_out(self, event: ev.AttemptTimedOut) -> Sequence[Message]:
        return [Message(event.at, self.place(event.task), "Task ran past its @timeout and is killed.")]

    def attempt_cancelled(self, event: ev.AttemptCancelled) -> Sequence[Message]:
        place = self._end_attempt(event.task)
        self._steps.pop(event.task, None)
        return [Message(event.at, place, "Task was stopped.")]

    def retry_scheduled(self, event: ev.RetryScheduled) -> Sequence[Message]:
        if event.is_fallback:
            self._fallbacks[event.task] = None
        place = self._last_place.pop(event.task, None) or self.place(event.task)
        wait_s = event.wake_at - event.at
        if wait_s < 1:
            return ()
        return [Message(event.at, place, f"Task will be tried again in {wait_s:.0f} seconds.")]

    def task_failed(self, event: ev.TaskFailed) -> Sequence[Message]:
        place = self._last_place.pop(event.task, None) or self.place(event.task)
        self._steps.pop(event.task, None)
        if event.number < 0:  # it never began, so nothing else says why
            return [Message(event.at, place, f"Task failed: {event.error.message}")]
        return [Message(event.at, place, "This failed task will not be retried.")]

    def run_stopping(self, event: ev.RunStopping) -> Sequence[Message]:
        self._stop_at = event.stop_at
        self._has_failed = event.reason is ev.StopReason.FAILURE
        by = f" Asked by {event.by}." if event.by and not self._has_failed else ""
        text = "Workflow failed." if self._has_failed else f"Workflow interrupted.{by}"
        said = [Message(event.at, "", text)]
        count = len(self._running)
        if count:
            said.append(Message(event.at, "", f"Terminating {count} active {_tasks(count)}..."))
        return said

    def stop_asked(self, event: ev.StopAsked) -> Sequence[Message]:
        if not event.by:
            self._killed += event.force
            return ()
        return [Message(event.at, self.place(event.task), f"Task is stopped, as asked by {event.by}.")]

    def limits_changed(self, event: ev.LimitsChanged) -> Sequence[Message]:
        slots, async_slots = event.limits.slots, event.limits.async_slots
        is_mixed = any(node.is_async for node in self._graph.steps.values())
        beside = f" and {async_slots:,} async {_tasks(async_slots)}" if is_mixed else ""
        text = f"From here on up to {slots:,} {_tasks(slots)}{beside} may run at a time."
        return [Message(event.at, "", text)]

    def run_finished(self, event: ev.RunFinished) -> Sequence[Message]:
        if event.status is ev.RunStatus.SUCCEEDED:
            return [Message(event.at, "", "Done!")]
        if event.status is ev.RunStatus.FAILED and not self._has_failed:
            return [Message(event.at, "", "Workflow failed.")]
        return ()

    def _end_attempt(self, task: int) -> str:
        place = self.place(task)
        self._running.pop(task, None)
        self._pids.pop(task, None)
        return place

    def _take_cloned(self) -> str:
        count = sum(self._cloned.values())
        steps = ", ".join(
            step if number == 1 else f"{step} ({number:,})" for step, number in self._cloned.items()
        )
        self._cloned.clear()
        origin = "the earlier run" if self._origin is None else f"run {self._origin}"
        return f"Cloned {count:,} {_tasks(count)} of {origin}: {steps}."

    def _take_killed(self, at: float) -> str:
        count, self._killed = self._killed, 0
        waited_s = max(0, round(at - self._stop_at))
        seconds = "second" if waited_s == 1 else "seconds"
        return (
            f"Killing {count} remaining {_tasks(count)} after having waited for {waited_s} {seconds} -- "
            "some tasks may not exit cleanly"
        )


_TELL: Mapping[
    type, Callable[[Story, Any], Sequence[Message]]
] = {  # Any: each method takes its own event type
    ev.RunCreated: Story.run_created,
    ev.DriverChanged: Story.driver_changed,
    ev.TaskCreated: Story.task_created,
    ev.TaskCloned: Story.task_cloned,
    ev.AttemptLaunched: Story.attempt_launched,
    ev.AttemptStarted: Story.attempt_started,
    ev.AttemptPending: Story.attempt_pending,
    ev.AttemptSucceeded: Story.attempt_succeeded,
    ev.AttemptFailed: Story.attempt_failed,
    ev.AttemptLost: Story.attempt_lost,
    ev.AttemptTimedOut: Story.attempt_timed_out,
    ev.AttemptCancelled: Story.attempt_cancelled,
    ev.RetryScheduled: Story.retry_scheduled,
    ev.TaskFailed: Story.task_failed,
    ev.LimitsChanged: Story.limits_changed,
    ev.RunStopping: Story.run_stopping,
    ev.StopAsked: Story.stop_asked,
    ev.RunFinished: Story.run_finished,
}
"""Nothing is said of the others."""


def _tasks(count: int) -> str:
    return "task" if count == 1 else "tasks"
