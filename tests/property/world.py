"""A world for the machine: workers that succeed, fail, vanish, repeat themselves; drivers that die.

Everything is drawn from one seed. The world plays backend, log and clock, and checks the laws as it goes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from asyncflow.machine.commands import Command, Launch, Stop
from asyncflow.machine.decide import outstanding, step_all
from asyncflow.machine.events import (
    AttemptFailed,
    AttemptSucceeded,
    DriverChanged,
    Event,
    FactIgnored,
    Limits,
    PermitsGranted,
    PermitsReturned,
    RunFinished,
    ScopeOpened,
    TaskCloned,
)
from asyncflow.machine.evolve import fold
from asyncflow.machine.facts import (
    AttemptAdopted,
    CancelRequested,
    DriverStarted,
    Fact,
    LimiterGranted,
    LimiterRecalled,
    LimitsRequested,
    RetryRequested,
    RunRequested,
    TaskStopRequested,
    TimerFired,
    WorkerLost,
    WorkerPending,
    WorkerReported,
    WorkerStarted,
)
from asyncflow.machine.graph import Transition
from asyncflow.machine.ids import Attempt, ManifestKey
from asyncflow.machine.invariants import check_invariants
from asyncflow.machine.outcome import OUT_OF_MEMORY, ErrorInfo, Failed, Succeeded
from asyncflow.machine.rules.failure import LOST
from asyncflow.machine.rules.permits import permits_held, permits_spare, permits_wanted
from asyncflow.machine.rules.timers import next_wake
from asyncflow.machine.state import CloneKey, CloneSource, RunState
from tests.property.flows import Flow, Key

__all__ = ["Weather", "World"]

RUN = 1


@dataclass(frozen=True)
class Weather:
    """How unfriendly the world is: chances per fact, 0 to 1."""

    failure: float = 0.0
    loss: float = 0.0
    our_fault: float = 0.0
    repeat: float = 0.0
    crash: float = 0.0
    limits: float = 0.0
    recall: float = 0.0
    """That permits are asked back although they are of use."""
    cancel: float = 0.0
    stop: float = 0.0
    """That somebody ends a task or a step, or lets tasks that wait have their next try."""
    delay: float = 0.0
    """That time passes up to the next timer although attempts run: timeouts, grace times."""


@dataclass
class World:
    """One run of one flow, to its end."""

    flow: Flow
    random: Random
    weather: Weather = Weather()
    clones: dict[CloneKey, CloneSource] = field(default_factory=dict)
    keep_going: bool = False
    log: list[Event] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    """Length of the log after each turn."""
    now: float = 1000.0
    in_flight: dict[Attempt, Launch] = field(default_factory=dict)
    stop_asked: dict[Attempt, bool] = field(default_factory=dict)
    launches: list[Launch] = field(default_factory=list)
    told: list[Fact] = field(default_factory=list)
    keys: dict[int, Key] = field(default_factory=dict)
    results: dict[Key, ManifestKey] = field(default_factory=dict)
    inputs: dict[Key, list[ManifestKey]] = field(default_factory=dict)
    was_cancelled: bool = False
    given: dict[str, int] = field(default_factory=dict)
    """Permits that the run was given and has not returned or used up, by limit."""

    def __post_init__(self) -> None:
        self.state = RunState(graph=self.flow.graph, clones=self.clones)

    def run(self, *, most_turns: int = 5000) -> RunState:
        """Begin the run and see it to its end."""
        limits = Limits(
            slots=self.random.randint(3, 6),
            async_slots=self.random.randint(3, 6),
            remote_slots=self.random.randint(3, 6),
            most_losses=self.random.choice((2, 100)) if self.weather.failure else 100,
            keep_going=self.keep_going,
            failure_grace_s=3.0,
            cpu=self.random.choice((None, 8.0)),
            memory_mb=self.random.choice((None, 4600.0)),
            gpu=self.random.choice((None, 1.5)),
        )
        self.tell(RunRequested(at=self.now, run=RUN, user="u", limits=limits))
        for _ in range(most_turns):
            if self.state.is_over:
                return self.state
            self.happen()
        raise AssertionError(f"the run did not end; it holds {self.state}")

    def happen(self) -> None:
        """Let one thing happen."""
        draw, weather = self.random.random, self.weather
        if draw() < weather.crash:
            self.crash()
        elif draw() < weather.repeat and self.told:
            self.repeat()
        elif draw() < weather.limits:
            limits = self.state.limits._replace(
                slots=self.random.randint(2, 8),
                async_slots=self.random.randint(2, 8),
                remote_slots=self.random.randint(2, 8),
                cpu=self.random.choice((None, 2.0, 3.0, 5.0, 9.0)),
            )
            self.tell(LimitsRequested(at=self.now, limits=limits))
        elif draw() < weather.recall and self.state.granted:
            permit = self.random.choice(list(self.state.granted))
            count = self.random.randint(1, 3)
            self.tell(LimiterRecalled(at=self.now, permit=permit, count=count))
        elif draw() < weather.cancel:
            self.was_cancelled = True
            self.tell(CancelRequested(at=self.now, by="test", force=draw() < 0.3))
        elif draw() < weather.stop and self.state.tasks:
            self.tell(self.request())
        else:
            self.proceed()

    def request(self) -> Fact:
        """Somebody ends tasks, or lets them wait no longer."""
        task = self.random.choice(list(self.state.tasks.values()))
        number = task.id if self.random.random() < 0.7 else None
        if self.random.random() < 0.5:
            return RetryRequested(at=self.now, by="test", step=task.step, task=number)
        force = self.random.random() < 0.3
        return TaskStopRequested(at=self.now, by="test", step=task.step, task=number, force=force)

    def proceed(self) -> None:
        """An attempt moves on, permits come or go, or time passes."""
        wake_at = next_wake(self.state)
        if self.limit() and (not self.in_flight or self.random.random() < 0.5):
            return
        if self.in_flight and (wake_at is None or self.random.random() >= self.weather.delay):
            attempts = list(self.in_flight)
            self.tell(*self.advance(self.random.choice(attempts)))
        elif wake_at is not None:
            self.now = max(self.now, wake_at)
            self.tell(TimerFired(at=self.now))
        else:
            raise AssertionError(f"nothing can happen any more: {self.state}")

    def limit(self) -> bool:
        """Give some of the permits that are wanted, or take some that are spare, as a limiter does; False: none."""
        wanted, spare = permits_wanted(self.state), permits_spare(self.state)
        assert not wanted.keys() & spare.keys(), f"wanted are {wanted} and spare are {spare}"
        if wanted and (not spare or self.random.random() < 0.5):
            permit = self.random.choice(list(wanted))
            count = self.random.randint(1, wanted[permit])
            self.tell(LimiterGranted(at=self.now, permit=permit, count=count))
        elif spare:
            permit = self.random.choice(list(spare))
            self.tell(LimiterRecalled(at=self.now, permit=permit, count=spare[permit]))
        return bool(wanted or spare)

    def advance(self, attempt: Attempt) -> list[Fact]:
        """An attempt in flight starts, or ends."""
        self.now += self.random.random()
        task = self.state.tasks[attempt.task]
        if not task.is_started and self._is_remote(attempt) and self.random.random() < 0.3:
            return [WorkerPending(at=self.now, attempt=attempt, why="no node")]
        if not task.is_started and self.random.random() < 0.7:
            return [WorkerStarted(at=self.now, attempt=attempt, where="w", pid=attempt.task)]
        launch = self.in_flight.pop(attempt)
        return [self.end_of(attempt, launch)]

    def end_of(self, attempt: Attempt, launch: Launch) -> Fact:
        """Say how an attempt ends."""
        draw, weather = self.random.random, self.weather
        if self.stop_asked.get(attempt) and draw() < 0.7:
            return WorkerLost(at=self.now, attempt=attempt, reason="stopped")
        if draw() < weather.our_fault:
            return WorkerLost(at=self.now, attempt=attempt, reason="zygote died", is_our_fault=True)
        if launch.fallback is None:
            if draw() < weather.loss:
                kind = OUT_OF_MEMORY if draw() < 0.5 else LOST
                is_retryable = draw() < 0.9
                return WorkerLost(
                    at=self.now,
                    attempt=attempt,
                    reason="killed",
                    exit_code=-9,
                    kind=kind,
                    is_retryable=is_retryable,
                )
            if draw() < weather.failure and not launch.catches:
                error = ErrorInfo("ValueError", "bad", is_retryable=draw() < 0.9)
                return WorkerReported(at=self.now, attempt=attempt, outcome=Failed(error=error))
        return WorkerReported(at=self.now, attempt=attempt, outcome=self.success(launch))

    def success(self, launch: Launch) -> Succeeded:
        """What the flow's own code would report."""
        key = self.key_of(launch)
        node = self.flow.graph.steps[launch.step]
        is_foreach = node.transition in (Transition.FOREACH, Transition.PARALLEL)
        return Succeeded(
            width=self.flow.width_of(key) if is_foreach else None,
            chosen=self.flow.choice_of(key) if node.transition is Transition.SWITCH else None,
            caught=launch.fallback,
        )

    def repeat(self) -> None:
        """Say once more what was said, perhaps long ago; it may change nothing."""
        fact = self.random.choice(self.told)
        if isinstance(fact, _REPEATABLE):
            return
        attempt = getattr(fact, "attempt", None)
        if isinstance(attempt, Attempt) and attempt in self.in_flight and not isinstance(fact, WorkerStarted):
            return
        before = len(self.log)
        self.tell(replace(fact, at=self.now))
        new = self.log[before:]
        assert all(isinstance(event, FactIgnored) for event in new), f"{fact} again led to {new}"

    def crash(self) -> None:
        """The driver dies; another folds the log, asks after what was in flight, and goes on."""
        state = fold(self.flow.graph, self.log, self.clones)
        assert state == self.state, "what was folded differs from what lived"
        self.state = state
        in_flight = [Attempt(task, state.tasks[task].number) for task in state.running]
        known = {command.attempt for command in outstanding(state) if isinstance(command, Launch)}
        assert known <= set(in_flight)
        facts: list[Fact] = []
        for attempt in in_flight:
            if self._is_remote(attempt) and self.random.random() < 0.5:
                facts.append(AttemptAdopted(at=self.now, attempt=attempt))
                continue
            launch = self.in_flight.pop(attempt)
            if self.random.random() < 0.5:
                facts.append(self.end_of(attempt, launch))
            else:
                facts.append(
                    WorkerLost(at=self.now, attempt=attempt, reason="its driver died", is_our_fault=True)
                )
        self.tell(DriverStarted(at=self.now, host="h", pid=2, limits=state.limits), *facts)

    def _is_remote(self, attempt: Attempt) -> bool:
        """Tell whether an attempt is a job on another platform, which outlives its driver."""
        return self.flow.graph.steps[self.state.tasks[attempt.task].step].is_remote

    def tell(self, *facts: Fact) -> None:
        """One turn: tell the machine, keep the log, do as it asks, check the laws."""
        self.told.extend(facts)
        turn = step_all(self.state, facts)
        for event in turn.events:
            self._note(event)
            self.log.append(event)
        self.turns.append(len(self.log))
        for command in turn.commands:
            self._do(command)
        check_invariants(self.state)
        for permit, held in permits_held(self.state).items():
            limit = self.state.permit_limits[permit]
            assert held <= limit, f"{held} permits of {permit} are held, of {limit}"

    def key_of(self, launch: Launch) -> Key:
        """Name a task by where it stands."""
        return (launch.step, tuple(frame.index for frame in launch.frames), launch.iteration)

    def _do(self, command: Command) -> None:
        if isinstance(command, Stop):
            if command.attempt in self.in_flight:
                self.stop_asked[command.attempt] = True
            return
        assert command.attempt not in self.in_flight, f"{command.attempt} is launched twice"
        assert command.attempt not in {launch.attempt for launch in self.launches[-50:]}
        self._check_memory(command)
        self.in_flight[command.attempt] = command
        self._use_permits(command)
        self.launches.append(command)
        key = self.key_of(command)
        self.keys[command.attempt.task] = key
        if self.flow.graph.steps[command.step].closes is not None:
            self.inputs[key] = list(command.inputs)

    def _check_memory(self, launch: Launch) -> None:
        """See that memory grows with each time that a task ran out of it, and with nothing else."""
        policy = self.flow.graph.steps[launch.step].retry
        ran_out = sum(
            isinstance(event, AttemptFailed)
            and event.task == launch.attempt.task
            and event.error.type == OUT_OF_MEMORY
            for event in self.log
        )
        assert launch.memory_factor == policy.memory_factor**ran_out, f"{launch} after {ran_out}"

    def _note(self, event: Event) -> None:
        assert not any(isinstance(last, RunFinished) for last in self.log[-1:]) or isinstance(
            event, FactIgnored
        )
        if isinstance(event, AttemptSucceeded):
            key = self.keys[event.task]
            assert key not in self.results, f"{key} succeeded twice"
            self.results[key] = ManifestKey(RUN, event.task, event.number)
        elif isinstance(event, PermitsGranted):
            self.given[event.permit] = self.given.get(event.permit, 0) + event.count
        elif isinstance(event, PermitsReturned):
            self.given[event.permit] -= event.count
        elif isinstance(event, DriverChanged):
            self.given.clear()
        elif isinstance(event, TaskCloned):
            frames = event.frames if event.frames is not None else self._frames_of(event)
            key = (event.step, tuple(index for _, index in frames), event.iteration)
            assert key not in self.results, f"{key} was cloned twice"
            self.results[key] = event.origin

    def _use_permits(self, launch: Launch) -> None:
        """No attempt begins without every permit of its step."""
        steps = self.flow.graph.steps
        for permit in steps[launch.step].permits:
            given = self.given.get(permit.id, 0)
            if permit.per_s is None:
                used = sum(permit in steps[other.step].permits for other in self.in_flight.values())
                assert used <= given, f"{used} attempts run with {given} permits of {permit.id}"
            else:
                assert given > 0, f"{launch} begins without a permit of {permit.id}"
                self.given[permit.id] -= 1

    def _frames_of(self, event: TaskCloned) -> tuple[tuple[int, int], ...]:
        opened = next(
            known
            for known in reversed(self.log)
            if isinstance(known, ScopeOpened) and known.task == event.scope
        )
        return (*opened.frames, (opened.task, event.index))


_REPEATABLE = (
    CancelRequested,
    DriverStarted,
    LimiterGranted,
    LimiterRecalled,
    LimitsRequested,
    RetryRequested,
    TaskStopRequested,
    TimerFired,
)
"""What means something when it is said again."""
