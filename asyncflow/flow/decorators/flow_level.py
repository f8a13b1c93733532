"""Decorators of a flow as a whole: they stand over the class, and are kept with the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn, TypeVar

from asyncflow.flow.errors import DecoratorAttributeError, DuplicateDecoratorError, MisplacedDecoratorError
from asyncflow.flow.waiting import is_waiting
from asyncflow.records import fields, record

__all__ = ["FlowDecorator", "decorate_flow", "flow_decorator", "flow_decorators_of", "set_flow_decorators"]

_ATTRIBUTE = "__asyncflow_flow_decorators__"
_CLOSED = "__asyncflow_flow_decorators_closed__"
Flow = TypeVar("Flow", bound=type)
Kind = TypeVar("Kind", bound="FlowDecorator")


@record(slots=False)
class FlowDecorator:
    """Base of a flow's decorators. A subclass adds fields, `name`, and checks in `__post_init__`."""

    name: ClassVar[str]

    def attributes(self) -> dict[str, Any]:  # Any: JSON-like
        """Return every attribute with its value, for the graph's JSON."""
        return {item.name: getattr(self, item.name) for item in fields(type(self))}

    def refuse(self, attribute: str, wanted: str) -> NoReturn:
        """Refuse the value of an attribute. Raises DecoratorAttributeError always."""
        value = getattr(self, attribute)
        raise DecoratorAttributeError(f"@{self.name} has {attribute}={value!r:.100}, which is not {wanted}")


def decorate_flow(kind: type[FlowDecorator], attributes: Mapping[str, Any]) -> Callable[[Flow], Flow]:
    """Return what puts a decorator onto a flow's class.

    Raises:
        DecoratorAttributeError: An attribute is unknown, or its value does not fit.
        DuplicateDecoratorError: The class has it already.
        MisplacedDecoratorError: It is not over a class.
    """
    known = [item.name for item in fields(kind)]
    for name in attributes:
        if name not in known:
            raise DecoratorAttributeError(
                f"@{kind.name} has no attribute '{name}'", hint=f"Known attributes: {', '.join(known)}"
            )
    is_made = not is_waiting(dict(attributes))
    decorator = kind(**attributes) if is_made else None

    def apply(flow_class: Flow) -> Flow:
        if not isinstance(flow_class, type):
            raise MisplacedDecoratorError(
                f"@{kind.name} is not over a flow's class", hint=f"Write @{kind.name}(...) above `class`."
            )
        own: tuple[FlowDecorator, ...] = flow_class.__dict__.get(_ATTRIBUTE, ())
        if any(isinstance(other, kind) for other in own):
            raise DuplicateDecoratorError(f"Flow {flow_class.__name__} has @{kind.name} twice")
        setattr(flow_class, _ATTRIBUTE, (decorator or kind(**_settled(attributes, flow_class)), *own))
        return flow_class

    return apply


def set_flow_decorators(flow_class: type, decorators: tuple[FlowDecorator, ...]) -> None:
    """Let a flow have these decorators and no others, also of its bases."""
    setattr(flow_class, _ATTRIBUTE, decorators)
    setattr(flow_class, _CLOSED, True)


def _settled(attributes: Mapping[str, Any], flow_class: type) -> dict[str, Any]:
    from asyncflow.flow.config import now  # only for decorators made of configs

    return {name: now(value, flow_class) for name, value in attributes.items()}


def flow_decorators_of(flow_class: type) -> tuple[FlowDecorator, ...]:
    """Return a flow's decorators, as written; of its bases those that it has not itself."""
    found: dict[type, FlowDecorator] = {}
    for owner in flow_class.__mro__:
        of_owner: tuple[FlowDecorator, ...] = owner.__dict__.get(_ATTRIBUTE, ())
        for decorator in of_owner:
            found.setdefault(type(decorator), decorator)
        if owner.__dict__.get(_CLOSED):
            break
    return tuple(found.values())


def flow_decorator(flow_class: type, kind: type[Kind]) -> Kind | None:
    """Return the flow's decorator of a kind, None if it has none."""
    return next((one for one in flow_decorators_of(flow_class) if isinstance(one, kind)), None)
