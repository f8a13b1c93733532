"""How step decorators work: what they are made of, how they come onto a step, and who may stand where.

A decorator is a frozen record whose fields are its attributes. It decides nothing when the flow runs: the graph
carries what it says to the machine (retry, catch, timeout, resources) and to the worker (environment, catch).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from asyncflow.flow.errors import DecoratorAttributeError, DuplicateDecoratorError, MisplacedDecoratorError
from asyncflow.flow.steps import StepMark, mark_of, where_of
from asyncflow.flow.waiting import is_waiting
from asyncflow.records import field, fields, record

if TYPE_CHECKING:
    from asyncflow.flow.graph import StepInfo

__all__ = ["Method", "StepDecorator", "decorate", "make", "place", "settle"]

Method = TypeVar("Method", bound=Callable[..., Any])


@record(slots=False)
class StepDecorator:
    """Base of all step decorators. A subclass adds fields, `name`, and checks in `__post_init__`."""

    name: ClassVar[str]
    allow_multiple: ClassVar[bool] = False
    given: tuple[str, ...] = field(default=(), repr=False)
    """Names of the attributes that were given, not defaulted."""

    @classmethod
    def attribute_names(cls) -> tuple[str, ...]:
        """Names of the attributes that may be given."""
        return tuple(item.name for item in fields(cls) if item.name != "given")

    def attributes(self) -> dict[str, Any]:  # Any: JSON-like, and exception classes
        """Return every attribute with its value."""
        return {name: getattr(self, name) for name in self.attribute_names()}

    def shown(self) -> dict[str, Any]:  # Any: as above
        """Return the attributes as everybody may see them: in the graph's JSON, in listings."""
        return self.attributes()

    def complaint(self, info: StepInfo) -> str:
        """Say why the decorator cannot be on this step; empty when it can."""
        return ""

    def refuse(self, attribute: str, wanted: str) -> NoReturn:
        """Refuse the value of an attribute.

        Raises:
            DecoratorAttributeError: Always.
        """
        value = getattr(self, attribute)
        raise DecoratorAttributeError(f"@{self.name} has {attribute}={value!r:.100}, which is not {wanted}")

    def number(self, attribute: str, *, at_least: float = 0.0, is_whole: bool = False) -> None:
        """Check that an attribute is a number or a text that reads as one, and keep the number."""
        value = getattr(self, attribute)
        wanted = f"a {'whole ' if is_whole else ''}number of at least {at_least:g}"
        try:
            read: float = int(str(value)) if is_whole else float(value)
        except (TypeError, ValueError):
            self.refuse(attribute, wanted)
        if isinstance(value, bool) or not at_least <= read < float("inf"):
            self.refuse(attribute, wanted)
        object.__setattr__(self, attribute, value if isinstance(value, int | float) else read)


def make(kind: type[StepDecorator], attributes: Mapping[str, Any], *, where: str = "") -> StepDecorator:
    """Make a decorator from attributes by name.

    Raises:
        DecoratorAttributeError: An attribute is unknown, or its value does not fit.
    """
    known = kind.attribute_names()
    for name in attributes:
        if name not in known:
            listed = f"Known attributes: {', '.join(known)}" if known else "It has no attributes."
            raise DecoratorAttributeError(f"@{kind.name} has no attribute '{name}'", where=where, hint=listed)
    try:
        return kind(given=tuple(attributes), **attributes)
    except DecoratorAttributeError as error:
        raise type(error)(error.message, where=where, hint=error.hint) from None


def decorate(
    kind: type[StepDecorator], method: Any, attributes: Mapping[str, Any]
) -> Any:  # Any: the method or None; the method, or a function that decorates one
    """Put a decorator onto a step, in the bare form (`method` is given) or the called one (it is None).

    Raises:
        MisplacedDecoratorError: It is not above `@step`.
        DuplicateDecoratorError: The step has it already.
        DecoratorAttributeError: An attribute is unknown, or its value does not fit.
    """

    def apply(method: Method) -> Method:
        where = where_of(method)
        mark = mark_of(method)
        if mark is None:
            raise MisplacedDecoratorError(
                f"@{kind.name} is not above a @step", where=where, hint=_placing_hint(kind, method)
            )
        if not kind.allow_multiple and any(isinstance(other, kind) for other in mark.decorators):
            step = getattr(method, "__name__", "?")
            raise DuplicateDecoratorError(
                f"Step {step} has @{kind.name} twice", where=where, hint="Keep one of them."
            )
        return place(method, lambda given: make(kind, given, where=where), attributes)

    return apply if method is None else apply(method)


def place(
    method: Method, make_one: Callable[[Mapping[str, Any]], StepDecorator], given: Mapping[str, Any]
) -> Method:
    """Put onto a step what `make_one` makes of the attributes; later, where they wait for the class's configs.

    Raises:
        MisplacedDecoratorError: It is no step.
    """
    mark = mark_of(method)
    if mark is None:
        raise MisplacedDecoratorError(
            "A decorator of steps is not above a @step",
            where=where_of(method),
            hint="Write it first and @step below it, directly above `def`.",
        )
    if is_waiting(dict(given)):
        _wait(mark, make_one, given)
    else:
        mark.decorators.append(make_one(given))
    return method


def settle(flow_class: type) -> None:
    """Make the decorators that waited for the class's configs.

    Raises:
        ConfigError: An expression cannot be evaluated.
        DecoratorAttributeError: An attribute is unknown, or its value does not fit.
    """
    for method in vars(flow_class).values():
        mark = mark_of(method) if isinstance(method, FunctionType) else None
        while mark is not None and mark.waiting:
            mark.waiting.pop()(flow_class)


def _wait(
    mark: StepMark, make_one: Callable[[Mapping[str, Any]], StepDecorator], given: Mapping[str, Any]
) -> None:
    from asyncflow.flow.config import now  # only for decorators made of configs

    at = len(mark.decorators) + len(mark.waiting)

    def settled(flow_class: type) -> None:
        found = make_one({name: now(value, flow_class) for name, value in given.items()})
        mark.decorators.insert(min(at, len(mark.decorators)), found)

    mark.waiting.append(settled)


def _placing_hint(kind: type[StepDecorator], method: object) -> str:
    if isinstance(method, FunctionType):
        return f"Write @{kind.name} first and @step below it, directly above `def`."
    return f"Give attributes by name, such as @{kind.name}({next(iter(kind.attribute_names()), '')}=...)"
