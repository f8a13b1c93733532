"""`FlowSpec`, the class users derive their flows from.

A flow object is two things: the place where `self.next`, `self.input` and the like live, and the namespace of the
task's artifacts. What was inherited is loaded on first reading and then sits in the instance's dictionary, so that
later readings cost nothing and a change made in place is stored at the end of the step.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from types import FunctionType, MethodType
from typing import Any, NoReturn

from asyncflow.flow.binding import NextCall, TaskBinding
from asyncflow.flow.errors import MergeError
from asyncflow.flow.next import next_call
from asyncflow.flow.parameters import ReadOnly, seal_constants
from asyncflow.flow.steps import MARK, StepMark, steps_of

__all__ = ["FlowSpec", "artifacts_of"]

_EPHEMERAL = frozenset({"_binding", "_next"})
_NO_ARTIFACT = (FunctionType, MethodType)
_HELD_BY_THE_RUN = (ReadOnly,)


class FlowSpec:
    """A flow: derive from it, mark methods with `@step`, and hand on with `self.next`.

    Constructing one in a script runs the command line, so that `if __name__ == "__main__": MyFlow()` makes the
    file a program.

    Args:
        use_cli: False gives a plain object, whose attributes may be set and whose steps may be called, in tests.
    """

    _binding: TaskBinding | None = None
    """The task the object runs in; None for a plain object."""
    _next: NextCall | None = None
    """What the step's `self.next` asked for."""

    def __init_subclass__(cls, **options: Any) -> None:  # Any: passed through
        super().__init_subclass__(**options)
        seal_constants(cls, FlowSpec)
        if any(mark.waiting for mark in _marks_of(cls)):
            from asyncflow.flow.decorators.base import settle  # only for decorators made of configs

            settle(cls)

    def __init__(self, use_cli: bool = True) -> None:
        self._binding = None
        self._next = None
        if use_cli and _is_called_from_script():
            from asyncflow.flow.main import run_script  # only a script's first line needs click

            run_script(type(self))

    def __getattr__(self, name: str) -> Any:  # Any: the user's object
        binding = self.__dict__.get("_binding")
        if binding is not None and not name.startswith("__"):
            try:
                value = binding.load(name)
            except KeyError:
                pass
            else:
                self.__dict__[name] = value
                return value
        raise AttributeError(f"Flow {type(self).__name__} has no attribute '{name}'")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            "Flows can't be serialized. Maybe you are trying to store `self` or one of the `inputs` in an "
            "attribute? Store the attributes of it that you need, such as self.x = inputs[0].x"
        )

    def __iter__(self) -> Iterator[MethodType]:
        return (getattr(self, name) for name in steps_of(type(self)))

    def __repr__(self) -> str:
        return f"<flow {type(self).__name__}>"

    @property
    def name(self) -> str:
        """Name of the flow."""
        return type(self).__name__

    @property
    def script_name(self) -> str:
        """Name of the file that defines the flow, without its directory."""
        file = getattr(sys.modules.get(type(self).__module__), "__file__", None) or ""
        return file.replace("\\", "/").rpartition("/")[2]

    @property
    def input(self) -> Any:  # Any: the user's object
        """The item of the innermost foreach; None outside a foreach."""
        return None if self._binding is None else self._binding.input

    @property
    def index(self) -> int | None:
        """Position in the innermost foreach, from 0; None outside a foreach."""
        return None if self._binding is None else self._binding.index

    def foreach_stack(self) -> list[tuple[int, int, Any]]:
        """Return (index, number of splits, value) of each foreach around the task, outermost first."""
        return [] if self._binding is None else self._binding.foreach_stack()

    def next(self, *targets: Any, **options: Any) -> None:
        """Hand on to the next step or steps: the last statement of every step but the end.

        `self.next(self.a)`, `self.next(self.a, self.b)`, `self.next(self.a, foreach="items")`,
        `self.next(self.a, num_parallel=4)`, `self.next({"x": self.a, "y": self.b}, condition="kind")`.

        Raises:
            InvalidNextError: It is none of these, or was called before.
        """
        self._next = next_call(self, targets, options)

    def merge_artifacts(
        self,
        inputs: Sequence[Any],
        exclude: Sequence[str] | None = None,
        include: Sequence[str] | None = None,
    ) -> None:
        """Take over, in a join, the artifacts on which the branches agree and that are not set yet.

        Args:
            inputs: What the join was given.
            exclude: Names not to take over.
            include: The only names to take over.

        Raises:
            UnhandledInMergeError: Branches disagree; `artifact_names` says about what. Nothing is merged.
            MissingInMergeError: A name in `include` is in no branch. Nothing is merged.
            MergeError: Both `include` and `exclude` are given, or the step is no join.
        """
        if include and exclude:
            raise MergeError(
                "merge_artifacts got both include and exclude", hint="Give one of them, or neither."
            )
        for option, names in (("include", include), ("exclude", exclude)):
            if isinstance(names, str):
                raise MergeError(
                    f"merge_artifacts got {option}={names!r}", hint=f"Give a list: {option}=[{names!r}]"
                )
        if self._binding is None:
            raise MergeError("merge_artifacts works in a running task only", hint="Call it in a join step.")
        self._binding.merge(self, inputs, include=tuple(include or ()), exclude=tuple(exclude or ()))


def _marks_of(flow_class: type) -> Iterator[StepMark]:
    for value in vars(flow_class).values():
        mark = getattr(value, "__dict__", {}).get(MARK) if isinstance(value, FunctionType) else None
        if mark is not None:
            yield mark


def _is_called_from_script() -> bool:
    frame = sys._getframe(2)
    while frame.f_code.co_name == "__init__" and frame.f_back is not None:
        frame = frame.f_back
    return bool(frame.f_globals.get("__name__") == "__main__")


def artifacts_of(flow: FlowSpec) -> dict[str, object]:
    """Return what of a flow object is to be stored, by name, in the order of assignment.

    That is every attribute set on it or read from what it inherited; not parameters and constants (which the run
    holds once), and neither functions, lambdas nor methods, which are dropped without a word.
    """
    flow_class = type(flow)
    found: dict[str, object] = {}
    for name, value in flow.__dict__.items():  # a comprehension is a function that each task would make anew
        if name in _EPHEMERAL or isinstance(value, _NO_ARTIFACT) or (name[:2] == "__" and name[-2:] == "__"):
            continue
        if not isinstance(_class_attribute(flow_class, name), _HELD_BY_THE_RUN):
            found[name] = value
    return found


def _class_attribute(flow_class: type, name: str) -> object:
    for owner in flow_class.__mro__:
        if name in owner.__dict__:
            return owner.__dict__[name]
    return None
