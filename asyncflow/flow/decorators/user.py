"""`UserStepDecorator` and `@user_step_decorator`: users' own code around a step, in its task's process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from types import FunctionType
from typing import Any, ClassVar, cast

from asyncflow.flow.decorators.base import StepDecorator, place
from asyncflow.flow.errors import DecoratorAttributeError, DecoratorError, MisplacedDecoratorError
from asyncflow.records import field, record

__all__ = ["USER_SKIP_STEP", "UserStepDecorator", "Wrapping", "user_step_decorator"]

USER_SKIP_STEP: dict[str, Any] = {}
"""What a generator yields to leave the step out and go where its `self.next` goes anyway."""


@record(slots=False)
class Wrapping(StepDecorator):
    """A user's decorator as a step has it."""

    allow_multiple: ClassVar[bool] = True
    title: str = ""
    """Its name, as people write it."""
    wrapper: Any = field(default=None, repr=False)  # Any: a UserStepDecorator
    shown_attributes: Any = ()  # Any: what it was given, for readers

    @property
    def name(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        """Its name, as people write it."""
        return self.title

    def attributes(self) -> dict[str, Any]:
        return dict(self.shown_attributes)

    def shown(self) -> dict[str, Any]:
        return {name: _seen(value) for name, value in self.attributes().items()}


class _Applied(type):
    """Lets a class of decorators stand over a step with and without brackets."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:  # Any: a step, or what decorates one
        if len(args) == 1 and not kwargs and isinstance(args[0], FunctionType):
            return place(args[0], lambda given: cls.wrapping((), {}), {})
        if any(isinstance(item, FunctionType) and hasattr(item, "__asyncflow_step__") for item in args):
            raise MisplacedDecoratorError(f"@{cls.__name__} is given a step and arguments at once")

        def apply(method: Any) -> Any:
            return place(method, lambda given: cls.wrapping(given["args"], given["kwargs"]), given)

        given = {"args": args, "kwargs": kwargs}
        return apply

    def wrapping(cls, args: Any, kwargs: Mapping[str, Any]) -> Wrapping:
        """Make one, as it stands over a step."""
        made = cast("UserStepDecorator", type.__call__(cls))
        try:
            made.init(*args, **kwargs)
        except TypeError as error:
            raise DecoratorAttributeError(
                f"@{cls.__name__} does not take what it was given: {error}",
                hint=f"See {cls.__name__}.init for what it takes.",
            ) from error
        shown = {**{str(at): value for at, value in enumerate(args)}, **kwargs}
        return Wrapping(title=cls.__name__, wrapper=made, shown_attributes=tuple(shown.items()))


class UserStepDecorator(metaclass=_Applied):
    """Base of decorators that users write: what they do happens before and after the step, in its task.

    Where a step has several, the one written first is the outermost: first before, last after.
    """

    _skips: bool | Mapping[str, Any] = False

    def init(self, *args: Any, **kwargs: Any) -> None:
        """Take what the decorator was given: `@mine(3, name="x")`."""
        if args or kwargs:
            raise TypeError(f"{type(self).__name__} takes no arguments")

    def pre_step(self, step_name: str, flow: Any, inputs: Any = None) -> Callable[..., Any] | None:
        """Do something before the step; return a function to be called instead of it, or None."""
        return None

    def post_step(self, step_name: str, flow: Any, exception: BaseException | None = None) -> Any:
        """Do something after the step.

        Return the exception that is to be raised (`exception` itself, or another), or None: there is none, and one
        that was there is swallowed. In a tuple with it, a dict of arguments for `self.next`.
        """
        return exception

    @property
    def skip_step(self) -> bool | Mapping[str, Any]:
        """True, or arguments for `self.next`: the step is left out. Asked after `pre_step`, which may set it."""
        return self._skips

    @skip_step.setter
    def skip_step(self, value: bool | Mapping[str, Any]) -> None:
        self._skips = value


def user_step_decorator(
    function: Callable[..., Generator[Any, None, None]],
) -> Any:  # Any: a decorator of steps
    """Make a decorator of a generator: what stands before its one `yield` happens before the step, the rest after it.

    The function takes `(step_name, flow, inputs)`, and `attributes` as a fourth where the decorator takes arguments by
    name. It yields None to run the step, a function to be called instead, or a dict of arguments for `self.next` to
    leave the step out (`USER_SKIP_STEP`: go where it goes anyway). What the step raises is raised at the `yield`.
    """
    methods = {"function": staticmethod(function), "__doc__": function.__doc__}
    return _Applied(function.__name__, (_Generated,), {**methods, "__module__": function.__module__})


class _Generated(UserStepDecorator):
    """A decorator made of a generator."""

    function: Callable[..., Generator[Any, None, None]]
    attributes: Mapping[str, Any]
    generator: Generator[Any, None, None]
    skipped: bool | Mapping[str, Any] = False

    def init(self, *args: Any, **attributes: Any) -> None:
        if args:
            raise TypeError("give its attributes by name")
        if attributes and "attributes" not in self._takes():
            raise TypeError("its function has no argument `attributes`")
        self.attributes = attributes

    def pre_step(self, step_name: str, flow: Any, inputs: Any = None) -> Callable[..., Any] | None:
        given = {"step_name": step_name, "flow": flow, "inputs": inputs, "attributes": self.attributes}
        takes = self._takes()
        self.generator = self.function(**{name: value for name, value in given.items() if name in takes})
        self.skipped = False
        try:
            told = next(self.generator)
        except StopIteration:
            raise DecoratorError(f"@{type(self).__name__} ended without a yield") from None
        if isinstance(told, Mapping):
            self.skipped = cast("Mapping[str, Any]", told) or True
            return None
        return cast("Callable[..., Any] | None", told)

    def post_step(self, step_name: str, flow: Any, exception: BaseException | None = None) -> Any:
        try:
            if exception is None:
                next(self.generator)
            else:
                self.generator.throw(exception)
        except StopIteration as ended:
            return (None, ended.value) if isinstance(ended.value, dict) else None
        raise DecoratorError(f"@{type(self).__name__} has more than one yield")

    @property
    def skip_step(self) -> bool | Mapping[str, Any]:
        return self.skipped

    def _takes(self) -> tuple[str, ...]:
        code = cast("Any", self.function).__code__
        names: tuple[str, ...] = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        return names


def _seen(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | None) else repr(value)
