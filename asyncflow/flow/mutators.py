"""`FlowMutator` and `StepMutator`: users' code that changes a flow before it runs: its decorators and parameters.

First every flow mutator's `pre_mutate`, then every step mutator's; when `--with` is done with, `mutate` in the same
order. What they change belongs to the class they run for: base classes stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any, ClassVar, cast

from asyncflow.flow.config import configs_of, now
from asyncflow.flow.decorators import attached
from asyncflow.flow.decorators.base import StepDecorator
from asyncflow.flow.decorators.flow_level import FlowDecorator, flow_decorators_of, set_flow_decorators
from asyncflow.flow.decorators.user import UserStepDecorator
from asyncflow.flow.errors import (
    DecoratorError,
    DuplicateDecoratorError,
    MisplacedDecoratorError,
    ParameterError,
)
from asyncflow.flow.parameters import Parameter, parameters_of
from asyncflow.flow.steps import mark_of, steps_of

__all__ = ["FlowMutator", "MutableFlow", "MutableStep", "StepMutator", "mutate", "mutators_of", "pre_mutate"]

_FLOW = "__asyncflow_mutators__"
_STEP = "__asyncflow_step_mutators__"
_MADE = "__asyncflow_mutators_made__"
_DONE = "__asyncflow_mutated__"
IGNORE, ERROR, OVERRIDE = 1, 2, 3
Spec = tuple[str, str, list[Any], dict[str, Any]]


class _FlowMutatorKind(type):
    """Lets a class of mutators stand over a flow with and without brackets."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:  # Any: a flow's class, or what decorates one
        if len(args) == 1 and not kwargs and isinstance(args[0], type):
            return _note(args[0], cls, (), {})
        return lambda flow_class: _note(flow_class, cls, args, kwargs)


class FlowMutator(metaclass=_FlowMutatorKind):
    """Base of class decorators that users write to change a flow before it runs."""

    def init(self, *args: Any, **kwargs: Any) -> None:
        """Take what the mutator was given."""

    def pre_mutate(self, mutable_flow: MutableFlow) -> None:
        """Change parameters, flow decorators and step decorators, before the command line is read."""

    def mutate(self, mutable_flow: MutableFlow) -> None:
        """Change step decorators, when `--with` has put on what it has to."""


class _StepMutatorKind(type):
    """Lets a class of mutators stand over a step with and without brackets."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:  # Any: a step, or what decorates one
        if len(args) == 1 and not kwargs and isinstance(args[0], FunctionType):
            return _note_step(args[0], cls, (), {})
        return lambda method: _note_step(method, cls, args, kwargs)


class StepMutator(metaclass=_StepMutatorKind):
    """Base of step decorators that users write to change the step's other decorators before it runs."""

    def init(self, *args: Any, **kwargs: Any) -> None:
        """Take what the mutator was given."""

    def pre_mutate(self, mutable_step: MutableStep) -> None:
        """Change the step's decorators before the command line is read."""

    def mutate(self, mutable_step: MutableStep) -> None:
        """Change the step's decorators when `--with` has put on what it has to."""


def pre_mutate(flow_class: type) -> None:
    """Let the flow's mutators do what comes before the command line; once a class."""
    _let(flow_class, "pre_mutate")


def mutate(flow_class: type) -> None:
    """Let the flow's mutators do what comes last; once a class."""
    _let(flow_class, "pre_mutate")
    _let(flow_class, "mutate")


def mutators_of(flow_class: type) -> list[Any]:  # Any: what users' classes made
    """Return the flow's mutators and those of its steps, made when they are first asked for."""
    if _MADE not in flow_class.__dict__:
        setattr(flow_class, _MADE, _instances(flow_class))
    return [mutator for mutator, _ in flow_class.__dict__[_MADE]]


class MutableStep:
    """A step as its mutators see it."""

    IGNORE: ClassVar[int] = IGNORE
    ERROR: ClassVar[int] = ERROR
    OVERRIDE: ClassVar[int] = OVERRIDE

    def __init__(self, flow: MutableFlow, name: str) -> None:
        self.flow = flow
        self.name = name

    @property
    def decorator_specs(self) -> Iterator[Spec]:
        """Name, full name, positional and named arguments of each decorator, from the bottom up."""
        return (_spec_of(one) for one in self._decorators())

    def has_decorator(self, name: str) -> bool:
        """Tell whether the step has a decorator of this name."""
        return any(one.name == name for one in self._decorators())

    def get_decorator_specs(self, name: str) -> list[Spec]:
        """Return the decorators of this name."""
        return [spec for spec in self.decorator_specs if spec[0] == name]

    def add_decorator(
        self,
        deco_type: Any,  # Any: a name, `name:attribute=value`, a decorator, a class of users' decorators
        deco_args: Sequence[Any] | None = None,
        deco_kwargs: Mapping[str, Any] | None = None,
        duplicates: int = IGNORE,
    ) -> None:
        """Put a decorator on the step.

        Args:
            deco_type: `"retry"`, `"retry:times=4"`, `retry`, or a `UserStepDecorator`.
            deco_args: What a user's decorator is given by position.
            deco_kwargs: Attributes.
            duplicates: Where it has one already: `IGNORE` keeps that one, `ERROR` refuses, `OVERRIDE` replaces.

        Raises:
            DuplicateDecoratorError: It has one already, and that is an error.
            DecoratorError: There is no such decorator, or its attributes do not fit.
        """
        added = _made(deco_type, deco_args or (), deco_kwargs or {})
        several = list(self._decorators())
        same = [one for one in several if one.name == added.name]
        if same and not added.allow_multiple:
            if duplicates == ERROR:
                raise DuplicateDecoratorError(f"Step {self.name} has @{added.name} already")
            if duplicates != OVERRIDE:
                return
            several = [one for one in several if one.name != added.name]
        self._set((*several, added))

    def remove_decorator(
        self,
        deco_name: str,
        deco_args: Sequence[Any] | None = None,
        deco_kwargs: Mapping[str, Any] | None = None,
    ) -> bool:
        """Take decorators of a name off the step, only those with these attributes if any are given; tell whether."""
        several = list(self._decorators())
        kept = [one for one in several if one.name != deco_name or not _has(one, deco_args, deco_kwargs)]
        self._set(tuple(kept))
        return len(kept) < len(several)

    def _decorators(self) -> tuple[StepDecorator, ...]:
        return attached.decorators_of(self.flow.flow_class, self.name)

    def _set(self, decorators: tuple[StepDecorator, ...]) -> None:
        attached.set_decorators(self.flow.flow_class, self.name, decorators)


class MutableFlow:
    """A flow as its mutators see it. Its steps, parameters and configs are attributes of it, too."""

    IGNORE: ClassVar[int] = IGNORE
    ERROR: ClassVar[int] = ERROR
    OVERRIDE: ClassVar[int] = OVERRIDE

    def __init__(self, flow_class: type, *, is_early: bool) -> None:
        self.flow_class = flow_class
        self._is_early = is_early

    def __getattr__(self, name: str) -> Any:  # Any: a step, a parameter, a config's value
        for known in (dict(self.steps), dict(self.parameters), dict(self.configs)):
            if name in known:
                return known[name]
        raise AttributeError(f"Flow {self.flow_class.__name__} has no step, parameter or config '{name}'")

    @property
    def steps(self) -> Iterator[tuple[str, MutableStep]]:
        """Each step, by name."""
        return ((name, MutableStep(self, name)) for name in steps_of(self.flow_class))

    @property
    def parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Each parameter, by attribute."""
        return iter(parameters_of(self.flow_class, is_mutated=False).items())

    @property
    def configs(self) -> Iterator[tuple[str, Any]]:
        """What each config holds, by attribute."""
        return ((name, config.value()) for name, config in configs_of(self.flow_class).items())

    @property
    def decorator_specs(self) -> Iterator[Spec]:
        """Name, full name, positional and named arguments of each of the flow's decorators."""
        return (_spec_of(one) for one in flow_decorators_of(self.flow_class))

    def has_decorator(self, name: str) -> bool:
        """Tell whether the flow has a decorator of this name."""
        return any(spec[0] == name for spec in self.decorator_specs)

    def get_decorator_specs(self, name: str) -> list[Spec]:
        """Return the flow's decorators of this name."""
        return [spec for spec in self.decorator_specs if spec[0] == name]

    def add_parameter(self, name: str, value: Parameter, overwrite: bool = False) -> None:
        """Add a parameter as an attribute of the flow. Raises ParameterError if there is one already, or it is late."""
        self._refuse_late("Parameters")
        if not overwrite and name in dict(self.parameters):
            raise ParameterError(
                f"Flow {self.flow_class.__name__} has a parameter '{name}' already",
                hint="Say overwrite=True to replace it.",
            )
        setattr(self.flow_class, name, value)
        value.__set_name__(self.flow_class, name)

    def remove_parameter(self, name: str) -> bool:
        """Take a parameter off the flow; tell whether there was one. Raises ParameterError if it is late."""
        self._refuse_late("Parameters")
        if name not in dict(self.parameters):
            return False
        setattr(self.flow_class, name, _Removed(name))
        return True

    def add_decorator(
        self,
        deco_type: Any,  # Any: a name, or a decorator of flows
        deco_args: Sequence[Any] | None = None,
        deco_kwargs: Mapping[str, Any] | None = None,
        duplicates: int = IGNORE,
    ) -> None:
        """Put a decorator on the flow, such as `"project"` or `project`. Raises DecoratorError."""
        self._refuse_late("Decorators of the flow")
        name = deco_type if isinstance(deco_type, str) else getattr(deco_type, "__name__", str(deco_type))
        if self.has_decorator(name):
            if duplicates == ERROR:
                raise DuplicateDecoratorError(f"Flow {self.flow_class.__name__} has @{name} already")
            if duplicates != OVERRIDE:
                return
            self.remove_decorator(name)
        decorator: Callable[..., Any] | None = (
            deco_type if callable(deco_type) else _flow_decorators().get(name)
        )
        if decorator is None:
            raise DecoratorError(
                f"There is no decorator of flows '{name}'", hint=f"Known: {', '.join(_flow_decorators())}"
            )
        decorator(*(deco_args or ()), **(deco_kwargs or {}))(self.flow_class)

    def remove_decorator(
        self,
        deco_name: str,
        deco_args: Sequence[Any] | None = None,
        deco_kwargs: Mapping[str, Any] | None = None,
    ) -> bool:
        """Take decorators of a name off the flow; tell whether there were any. Raises DecoratorError if it is late."""
        self._refuse_late("Decorators of the flow")
        several = flow_decorators_of(self.flow_class)
        kept = [one for one in several if one.name != deco_name or not _has(one, deco_args, deco_kwargs)]
        set_flow_decorators(self.flow_class, tuple(kept))
        return len(kept) < len(several)

    def _refuse_late(self, what: str) -> None:
        if not self._is_early:
            raise DecoratorError(
                f"{what} can be changed in pre_mutate only", hint="Move it there from mutate."
            )


class _Removed:
    """Stands where a parameter was."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, flow: object, owner: type) -> Any:
        raise AttributeError(f"Parameter '{self.name}' was taken off the flow by a mutator")


def _note(flow_class: Any, kind: type, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    if not isinstance(flow_class, type):
        raise MisplacedDecoratorError(f"@{kind.__name__} is not over a flow's class")
    own = flow_class.__dict__.get(_FLOW, ())
    setattr(flow_class, _FLOW, ((kind, args, kwargs), *own))
    return flow_class


def _note_step(method: Any, kind: type, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    if mark_of(method) is None:
        raise MisplacedDecoratorError(
            f"@{kind.__name__} is not above a @step",
            hint=f"Write @{kind.__name__} first and @step below it, directly above `def`.",
        )
    setattr(method, _STEP, ((kind, args, kwargs), *getattr(method, _STEP, ())))
    return method


def _let(flow_class: type, hook: str) -> None:
    done: tuple[str, ...] = flow_class.__dict__.get(_DONE, ())
    if hook in done:
        return
    setattr(flow_class, _DONE, (*done, hook))
    mutable = MutableFlow(flow_class, is_early=hook == "pre_mutate")
    mutators_of(flow_class)
    for mutator, step in flow_class.__dict__[_MADE]:
        getattr(mutator, hook)(mutable if step is None else MutableStep(mutable, step))


def _instances(flow_class: type) -> list[tuple[Any, str | None]]:
    """Make the flow's mutators, then those of its steps with the step's name."""
    made: list[tuple[Any, str | None]] = []
    for owner in reversed(flow_class.__mro__):
        made += [(_instance(noted, flow_class), None) for noted in owner.__dict__.get(_FLOW, ())]
    for name, method in steps_of(flow_class).items():
        made += [(_instance(noted, flow_class), name) for noted in getattr(method, _STEP, ())]
    return made


def _instance(noted: tuple[type, Sequence[Any], Mapping[str, Any]], flow_class: type) -> Any:
    kind, args, kwargs = noted
    made = cast("Any", type.__call__(kind))
    made.init(*now(tuple(args), flow_class), **now(dict(kwargs), flow_class))
    return made


def _made(deco_type: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> StepDecorator:
    if isinstance(deco_type, type) and issubclass(deco_type, UserStepDecorator):
        return cast("Any", deco_type).wrapping(args, kwargs)
    name = deco_type if isinstance(deco_type, str) else getattr(deco_type, "__name__", str(deco_type))
    return attached.parse_spec(name, kwargs)


def _spec_of(one: StepDecorator | FlowDecorator) -> Spec:
    kind = type(one)
    attributes = one.attributes()
    return one.name, f"{kind.__module__}.{kind.__qualname__}", [], attributes


def _has(
    one: StepDecorator | FlowDecorator, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None
) -> bool:
    attributes = one.attributes()
    wanted = {**{str(at): value for at, value in enumerate(args or ())}, **(kwargs or {})}
    return all(attributes.get(name) == value for name, value in wanted.items())


def _flow_decorators() -> dict[str, Callable[..., Any]]:
    from asyncflow.flow.decorators.packages import conda_base, pypi_base
    from asyncflow.flow.decorators.project import project
    from asyncflow.flow.decorators.triggers import schedule, trigger, trigger_on_finish

    several = (conda_base, project, pypi_base, schedule, trigger, trigger_on_finish)
    return {one.__name__: one for one in several}
