"""Decorators that come from outside the file: `--with retry:times=4` puts one on every step that lacks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Any

from asyncflow.flow.decorators.base import StepDecorator, make
from asyncflow.flow.decorators.builtin import Catch, Environment, Parallel, Resources, Retry, Timeout
from asyncflow.flow.decorators.cache import Cache
from asyncflow.flow.decorators.card import Card
from asyncflow.flow.decorators.compute import Batch, Kubernetes
from asyncflow.flow.decorators.limits import Concurrency, RateLimit
from asyncflow.flow.decorators.packages import Conda, Pypi
from asyncflow.flow.decorators.secrets import Secrets
from asyncflow.flow.errors import DecoratorAttributeError, UnknownDecoratorError
from asyncflow.flow.steps import mark_of, steps_of

__all__ = ["DECORATORS", "attach", "decorators_of", "decorators_on", "parse_spec", "set_decorators"]

DECORATORS: dict[str, type[StepDecorator]] = {
    kind.name: kind
    for kind in (
        Batch,
        Cache,
        Card,
        Catch,
        Concurrency,
        Conda,
        Environment,
        Kubernetes,
        Parallel,
        Pypi,
        RateLimit,
        Resources,
        Retry,
        Secrets,
        Timeout,
    )
}
"""Every step decorator by name."""

_ATTACHED = "__asyncflow_attached__"
_SET = "__asyncflow_set_decorators__"
_GRAPH = "__asyncflow_graph__"


def parse_spec(spec_text: str, more: Mapping[str, Any] | None = None) -> StepDecorator:
    """Read `name` or `name:attribute=value,attribute=value`; a value is JSON, a number or a text.

    `more` are attributes beside those.

    Raises:
        UnknownDecoratorError: There is no decorator of that name.
        PluginError: It belongs to a backend of another package, which cannot be imported.
        DecoratorAttributeError: An attribute is unknown, or its value does not fit.
    """
    name, _, rest = spec_text.strip().partition(":")
    kind = DECORATORS.get(name)
    if kind is None and "." in name:
        return _users(name, {**_attributes(name, rest, spec_text), **(more or {})}, spec_text)
    if kind is None:
        kind = _backends(name, spec_text)
    attributes = {**_attributes(name, rest, spec_text), **(more or {})}
    return make(kind, attributes, where=f"--with {spec_text}")


def _backends(name: str, spec_text: str) -> type[StepDecorator]:
    """Return the decorator of a backend that another package brings."""
    from asyncflow.plugins import BACKENDS, load, names  # for names that are not ours only

    others = names(BACKENDS)
    if name not in others:
        import difflib  # for this message only

        known = sorted({*DECORATORS, *others})
        close = difflib.get_close_matches(name, known, n=1)
        raise UnknownDecoratorError(
            f"Unknown step decorator '{name}' in --with {spec_text}",
            hint=(f"Did you mean {close[0]}? " if close else "") + f"Known: {', '.join(known)}",
        )
    kind = getattr(load(BACKENDS, name), "decorator", None)
    if not (isinstance(kind, type) and issubclass(kind, StepDecorator) and kind.name == name):
        raise UnknownDecoratorError(
            f"The backend '{name}' brings no step decorator of its name for --with {spec_text}: {kind!r:.100}",
            hint="Its provider's `decorator` is a StepDecorator with that `name`, see docs/backends.md.",
        )
    return kind


def _attributes(name: str, rest: str, spec_text: str) -> dict[str, Any]:  # Any: what JSON can say
    attributes: dict[str, Any] = {}
    for part in _parts(rest):
        attribute, equals, text = part.partition("=")
        if not equals:
            raise DecoratorAttributeError(
                f"'{part}' in --with {spec_text} has no value",
                hint=f"Write --with {name}:attribute=value,attribute=value",
            )
        attributes[attribute.strip()] = _value(text.strip())
    return attributes


def _users(dotted: str, attributes: Mapping[str, Any], spec_text: str) -> StepDecorator:
    """Make a user's own decorator, named with its module."""
    import importlib  # for these only

    from asyncflow.flow.decorators.user import UserStepDecorator

    module, _, name = dotted.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UnknownDecoratorError(
            f"There is no decorator '{dotted}' for --with {spec_text}: {error}",
            hint="Name it with a module that can be imported from here.",
        ) from None
    if not (isinstance(kind, type) and issubclass(kind, UserStepDecorator)):
        raise UnknownDecoratorError(
            f"'{dotted}' in --with {spec_text} is no UserStepDecorator", hint=f"It is {kind!r:.100}."
        )
    made: StepDecorator = kind.wrapping((), attributes)
    return made


def attach(flow_class: type, spec_text: str) -> None:
    """Put a decorator on every step of the flow that lacks it; what stands in the file wins.

    Raises:
        UnknownDecoratorError: There is no decorator of that name.
        DecoratorAttributeError: An attribute is unknown, or its value does not fit.
    """
    attached: tuple[StepDecorator, ...] = flow_class.__dict__.get(_ATTACHED, ())
    setattr(flow_class, _ATTACHED, (*attached, parse_spec(spec_text)))
    if _GRAPH in flow_class.__dict__:
        delattr(flow_class, _GRAPH)


def decorators_of(flow_class: type, step: str) -> tuple[StepDecorator, ...]:
    """Return a step's decorators: its own from the bottom up, then attached ones in the order given.

    Raises:
        KeyError: The flow has no such step.
    """
    return decorators_on(flow_class, steps_of(flow_class)[step])


def set_decorators(flow_class: type, step: str, decorators: tuple[StepDecorator, ...]) -> None:
    """Let a step of this class have these decorators; `attach` still adds to them."""
    known: dict[str, tuple[StepDecorator, ...]] = flow_class.__dict__.get(_SET, {})
    setattr(flow_class, _SET, {**known, step: decorators})
    if _GRAPH in flow_class.__dict__:
        delattr(flow_class, _GRAPH)


def decorators_on(flow_class: type, method: FunctionType) -> tuple[StepDecorator, ...]:
    """Return the decorators of a step given as its method."""
    mark = mark_of(method)
    own = mark.decorators if mark is not None else []
    decorators = list(flow_class.__dict__.get(_SET, {}).get(method.__name__, own))
    for added in flow_class.__dict__.get(_ATTACHED, ()):
        if added.allow_multiple or not any(isinstance(other, type(added)) for other in decorators):
            decorators.append(added)
    return tuple(decorators)


def _value(text: str) -> Any:  # Any: what JSON can say
    import json  # for --with only

    for read in (json.loads, int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _parts(text: str) -> Iterator[str]:
    """Cut at commas that are not inside brackets or a JSON text."""
    depth, is_quoted, is_escaped, begin = 0, False, False, 0
    for position, character in enumerate(text):
        if is_escaped:
            is_escaped = False
        elif is_quoted:
            is_escaped = character == "\\"
            is_quoted = character != '"'
        elif character == '"':
            is_quoted = True
        elif character in "[{":
            depth += 1
        elif character in "]}":
            depth -= 1
        elif character == "," and depth <= 0:
            yield text[begin:position]
            begin = position + 1
    if text[begin:].strip():
        yield text[begin:]
