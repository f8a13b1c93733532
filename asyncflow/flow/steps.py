"""`@step`: what marks a method as a step, and which steps a class has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from asyncflow.flow.errors import MisplacedDecoratorError
from asyncflow.records import field, record

if TYPE_CHECKING:
    from asyncflow.flow.decorators.base import StepDecorator

__all__ = [
    "MARK",
    "StepMark",
    "code_of",
    "has_mutators",
    "is_step",
    "mark_of",
    "step",
    "steps_of",
    "where_of",
]

MARK = "__asyncflow_step__"

Method = TypeVar("Method", bound=Callable[..., Any])


@record(frozen=False, kw_only=False)
class StepMark:
    """What `@step` leaves on a method, and the decorators above add to."""

    is_start: bool = False
    is_end: bool = False
    isolation: str | None = None
    """`process`: an `async def` step gets a process of its own. None: it shares a worker's event loop."""
    node_info: Mapping[str, Any] = field(
        default_factory=dict[str, Any]
    )  # Any: the user's, for the graph's JSON
    decorators: list[StepDecorator] = field(default_factory=list["StepDecorator"])
    """In the order applied: the one closest to the method first."""
    waiting: list[Callable[[type], None]] = field(default_factory=list[Callable[[type], None]])
    """Decorators made of configs, which the class is still to say: each puts itself in its place."""


@overload
def step(method: Method, /) -> Method: ...


@overload
def step(
    *,
    start: bool = False,
    end: bool = False,
    isolation: str | None = None,
    node_info: Mapping[str, Any] | None = None,
) -> Callable[[Method], Method]: ...


def step(
    method: Method | None = None,
    /,
    *,
    start: bool = False,
    end: bool = False,
    isolation: str | None = None,
    node_info: Mapping[str, Any] | None = None,
) -> Method | Callable[[Method], Method]:
    """Mark a method as a step of the flow. The innermost decorator: others stand above it.

    Args:
        method: The method, when used without parentheses.
        start: The flow starts here, whatever the step's name.
        end: The flow ends here, whatever the step's name.
        isolation: `process` gives each task of an `async def` step a process of its own, as plain steps have it.
        node_info: Anything to be exported with the graph.

    Raises:
        MisplacedDecoratorError: It decorates something that is not a plain method, or `isolation` is unknown.
    """
    if isolation not in (None, "process"):
        raise MisplacedDecoratorError(
            f"@step(isolation={isolation!r}): there is no such isolation",
            hint='Write @step(isolation="process"), or leave it out.',
        )

    def mark(method: Method) -> Method:
        if not isinstance(cast("object", method), FunctionType):  # narrowing would lose the type variable
            raise MisplacedDecoratorError(
                f"@step must decorate a method, not {type(method).__name__} {method!r}",
                hint="Put @step directly above `def`, and other decorators above @step.",
            )
        setattr(method, MARK, StepMark(start, end, isolation, dict(node_info or {})))
        return method

    return mark if method is None else mark(method)


def mark_of(method: object) -> StepMark | None:
    """Return what `@step` left on a method (bound or not), or None if it is no step."""
    mark = getattr(method, MARK, None)
    return mark if isinstance(mark, StepMark) else None


def is_step(method: object) -> bool:
    """Tell whether `@step` marks this method."""
    return mark_of(method) is not None


def steps_of(flow_class: type) -> dict[str, FunctionType]:
    """Return the class's steps by name: base classes first, then in the order written."""
    steps: dict[str, FunctionType] = {}
    for owner in reversed(flow_class.__mro__):
        for name, value in vars(owner).items():
            if isinstance(value, FunctionType) and is_step(value):
                steps[name] = value
            else:
                steps.pop(name, None)
    return steps


def has_mutators(flow_class: type) -> bool:
    """Tell whether there are mutators on the flow's classes or steps."""
    return any("__asyncflow_mutators__" in owner.__dict__ for owner in flow_class.__mro__) or any(
        "__asyncflow_step_mutators__" in method.__dict__ for method in steps_of(flow_class).values()
    )


def code_of(method: FunctionType) -> Any:  # Any: types.CodeType; spares the casts of __wrapped__
    """Return the code of the method as written, beneath `functools.wraps` decorators."""
    inner: Any = method
    while hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    return inner.__code__


def where_of(method: object) -> str:
    """Return `file:line` of a method, or an empty text if it is none."""
    if not isinstance(method, FunctionType):
        return ""
    code = code_of(method)
    return f"{code.co_filename}:{code.co_firstlineno}"
