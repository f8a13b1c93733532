"""The step decorators that come with asyncflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, overload

from asyncflow.flow.decorators.base import Method, StepDecorator, decorate
from asyncflow.machine import graph as machine
from asyncflow.records import field, record

if TYPE_CHECKING:
    from asyncflow.flow.graph import StepInfo

__all__ = [
    "Catch",
    "Environment",
    "Parallel",
    "Resources",
    "Retry",
    "Timeout",
    "catch",
    "environment",
    "parallel",
    "resources",
    "retry",
    "timeout",
]


_MOST_GROWTH = 100.0


@record(slots=False)
class Retry(StepDecorator):
    """Try a failed step again, each time in a fresh process."""

    name: ClassVar[str] = "retry"
    times: int = 3
    """Tries after the first."""
    minutes_between_retries: float = 2
    """How long a step that runs on another platform waits, unless `delay` or `backoff` says; not heeded locally."""
    delay: float | None = None
    """Wait before the first retry, seconds. None: 1 s where `backoff` is given, else no wait."""
    backoff: float | None = None
    """Factor by which the wait grows. None: it does not."""
    max_delay: float | None = None
    """Longest wait, seconds. None: no bound."""
    jitter: float = 0.0
    """Share of the wait, 0..1, by which retries are spread."""
    on: Any = ()  # Any: a class, a name, or several; kept as a tuple of dotted names
    """Exception classes, or their dotted names, worth a retry. Empty: all. An exception group is, if all in it are."""
    memory: Any = None  # Any: a number, or a text such as x2; kept as a number
    """By how much more memory is asked for after an attempt that ran out of it, such as "x2"; on other platforms."""

    def __post_init__(self) -> None:
        self.number("times", is_whole=True)
        self.number("minutes_between_retries")
        self.number("jitter")
        if self.jitter > 1:
            self.refuse("jitter", "a share between 0 and 1")
        for attribute, least in (("delay", 0), ("backoff", 1), ("max_delay", 0)):
            if getattr(self, attribute) is not None:
                self.number(attribute, at_least=least)
        if self.memory is not None:
            object.__setattr__(self, "memory", self._factor())
        several = self.on if isinstance(self.on, tuple | list) else (self.on,)
        object.__setattr__(self, "on", tuple(self._dotted(item) for item in several))

    def policy(self, *, is_remote: bool = False) -> machine.RetryPolicy:
        """Say it in the machine's words; `is_remote`: the step runs on another platform."""
        waits = self.delay is not None or self.backoff is not None
        unsaid_s = float(self.minutes_between_retries) * 60 if is_remote else 0.0
        return machine.RetryPolicy(
            times=int(self.times),
            delay_s=(1.0 if self.delay is None else float(self.delay)) if waits else unsaid_s,
            memory_factor=1.0 if self.memory is None else float(self.memory),
            backoff=1.0 if self.backoff is None else float(self.backoff),
            max_delay_s=None if self.max_delay is None else float(self.max_delay),
            jitter=float(self.jitter),
            on=self.on,
        )

    def _factor(self) -> float:
        text = str(self.memory).strip().removeprefix("x")
        try:
            factor = float(text)
        except ValueError:
            factor = 0.0
        if not 1.0 <= factor <= _MOST_GROWTH:
            self.refuse("memory", f'a factor such as "x2", between x1 and x{_MOST_GROWTH:g}')
        return factor

    def _dotted(self, item: object) -> str:
        if isinstance(item, type) and issubclass(item, BaseException):
            return f"{item.__module__}.{item.__qualname__}"
        if not isinstance(item, str) or not item:
            self.refuse("on", "an exception class, the dotted name of one, or a tuple of these")
        return item if "." in item else f"builtins.{item}"


@record(slots=False)
class Catch(StepDecorator):
    """Go on with the flow although the step failed, once its retries are used up."""

    name: ClassVar[str] = "catch"
    var: str | None = None
    """Attribute that gets the failure, or None when there was none. None: it is kept nowhere."""
    print_exception: bool = True
    """Print the traceback to the task's stderr."""

    def __post_init__(self) -> None:
        if self.var is not None and not (isinstance(self.var, str) and self.var.isidentifier()):
            self.refuse("var", "the name of an attribute")
        if not isinstance(self.print_exception, bool):
            if str(self.print_exception).lower() not in ("true", "false"):
                self.refuse("print_exception", "True or False")
            object.__setattr__(self, "print_exception", str(self.print_exception).lower() == "true")

    def complaint(self, info: StepInfo) -> str:
        """Refuse steps whose next cannot be known when they have failed."""
        if info.transition in (machine.Transition.FOREACH, machine.Transition.PARALLEL):
            return "splits by foreach: when it fails, nobody knows over what"
        if info.transition is machine.Transition.SWITCH:
            return "is a switch: when it fails, nobody knows which case to take"
        return ""


@record(slots=False)
class Timeout(StepDecorator):
    """End an attempt that runs too long. The three are summed."""

    name: ClassVar[str] = "timeout"
    seconds: float = 0
    minutes: float = 0
    hours: float = 0

    def __post_init__(self) -> None:
        for attribute in ("seconds", "minutes", "hours"):
            self.number(attribute)
        if self.timeout_s <= 0:
            self.refuse("seconds", "a time: give seconds, minutes or hours")

    @property
    def timeout_s(self) -> float:
        """The limit in seconds."""
        return float(self.seconds) + 60 * float(self.minutes) + 3600 * float(self.hours)


@record(slots=False)
class Environment(StepDecorator):
    """Set environment variables for the step's process."""

    name: ClassVar[str] = "environment"
    vars: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        if not isinstance(self.vars, Mapping):
            self.refuse("vars", "a dictionary of names and values")
        for name, value in self.vars.items():
            is_name = isinstance(name, str) and name and "=" not in name and "\0" not in name
            if not is_name or not isinstance(value, str | int | float) or "\0" in str(value):
                self.refuse("vars", "a dictionary of names and texts")
        object.__setattr__(self, "vars", {name: str(value) for name, value in self.vars.items()})

    def shown(self) -> dict[str, Any]:  # Any: as in the base
        """Return the names only: values may be secrets, and the graph is stored with every run."""
        return {"vars": dict.fromkeys(self.vars, "...")}


@record(slots=False)
class Resources(StepDecorator):
    """Say what a task of the step needs. What is given counts against the machine; defaults do not."""

    name: ClassVar[str] = "resources"
    cpu: float = 1
    """Cores."""
    gpu: float | None = None
    disk: float | None = None
    """Megabytes; for remote backends."""
    memory: float = 4096
    """Megabytes."""
    shared_memory: float | None = None
    """Megabytes; for remote backends."""

    def __post_init__(self) -> None:
        for attribute in self.attribute_names():
            if getattr(self, attribute) is not None:
                self.number(attribute)

    def counted(self) -> machine.Resources:
        """Say what was given explicitly in the machine's words."""
        return machine.Resources(
            cpu=self._given("cpu"), memory_mb=self._given("memory"), gpu=self._given("gpu")
        )

    def _given(self, attribute: str) -> float | None:
        value = getattr(self, attribute)
        return float(value) if attribute in self.given and value is not None else None


@record(slots=False)
class Parallel(StepDecorator):
    """Mark a step that runs as a gang: reached by `self.next(..., num_parallel=n)`, followed by a join."""

    name: ClassVar[str] = "parallel"


@overload
def retry(method: Method, /) -> Method: ...


@overload
def retry(
    *,
    times: int = 3,
    minutes_between_retries: float = 2,
    delay: float | None = None,
    backoff: float | None = None,
    max_delay: float | None = None,
    jitter: float = 0.0,
    on: type[BaseException] | str | tuple[type[BaseException] | str, ...] = (),
    memory: str | float | None = None,
) -> Callable[[Method], Method]: ...


def retry(method: Any = None, /, **attributes: Any) -> Any:  # Any: the overloads above say it
    """Try a failed step again, each time in a fresh process.

    Args:
        method: The step, when used without parentheses.
        times: Tries after the first; 0 switches retries off.
        minutes_between_retries: Heeded by remote backends only; locally a retry starts at once.
        delay: Seconds before the first retry, really waited for.
        backoff: Factor by which the wait grows from one retry to the next; begins at 1 s if `delay` is not given.
        max_delay: Longest wait, seconds.
        jitter: Share of the wait, 0..1, by which retries of several tasks are spread.
        on: Exception classes (or dotted names) worth a retry; any other failure is final.
        memory: Factor by which a retry after running out of memory asks for more, such as `"x2"`.
    """
    return decorate(Retry, method, attributes)


@overload
def catch(method: Method, /) -> Method: ...


@overload
def catch(*, var: str | None = None, print_exception: bool = True) -> Callable[[Method], Method]: ...


def catch(method: Any = None, /, **attributes: Any) -> Any:  # Any: the overloads above say it
    """Go on with the flow although the step failed, once its retries are used up.

    Args:
        method: The step, when used without parentheses.
        var: Attribute that gets the failure as a `CaughtFailure`, or None when the step went well.
        print_exception: Print the traceback to the task's stderr.
    """
    return decorate(Catch, method, attributes)


@overload
def timeout(method: Method, /) -> Method: ...


@overload
def timeout(*, seconds: float = 0, minutes: float = 0, hours: float = 0) -> Callable[[Method], Method]: ...


def timeout(method: Any = None, /, **attributes: Any) -> Any:  # Any: the overloads above say it
    """End an attempt that runs longer than the sum of the three; it has then failed, and may be retried."""
    return decorate(Timeout, method, attributes)


@overload
def environment(method: Method, /) -> Method: ...


@overload
def environment(*, vars: Mapping[str, str] = ...) -> Callable[[Method], Method]: ...


def environment(method: Any = None, /, **attributes: Any) -> Any:  # Any: the overloads above say it
    """Set environment variables for the step's process."""
    return decorate(Environment, method, attributes)


@overload
def resources(method: Method, /) -> Method: ...


@overload
def resources(
    *,
    cpu: float = 1,
    gpu: float | None = None,
    disk: float | None = None,
    memory: float = 4096,
    shared_memory: float | None = None,
) -> Callable[[Method], Method]: ...


def resources(method: Any = None, /, **attributes: Any) -> Any:  # Any: the overloads above say it
    """Say what a task of the step needs: cores, GPUs, and megabytes of memory, disk and shared memory."""
    return decorate(Resources, method, attributes)


@overload
def parallel(method: Method, /) -> Method: ...


@overload
def parallel() -> Callable[[Method], Method]: ...


def parallel(method: Any = None, /, **attributes: Any) -> Any:  # Any: the overloads above say it
    """Mark a step that runs as a gang of `num_parallel` tasks at the same time."""
    return decorate(Parallel, method, attributes)
