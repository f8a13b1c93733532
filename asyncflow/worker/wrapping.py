"""Runs a step inside the decorators that users wrote around it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from typing import Any, cast

from asyncflow.flow.decorators.user import Wrapping
from asyncflow.flow.errors import DecoratorError
from asyncflow.flow.graph import StepInfo
from asyncflow.machine.graph import Transition

__all__ = ["run_wrapped", "run_wrapped_async", "wrappings_of"]


def wrappings_of(info: StepInfo) -> list[Any]:  # Any: UserStepDecorator
    """Return the users' decorators of a step, outermost first; copies, as tasks of async steps share a process."""
    return [copy(one.wrapper) for one in reversed(info.decorators) if isinstance(one, Wrapping)]


def run_wrapped(flow: Any, info: StepInfo, inputs: Any, run: Callable[[Callable[..., Any]], None]) -> None:
    """Run a step and what is around it; then it has handed on, or raises.

    Args:
        flow: The flow object.
        info: The step.
        inputs: What a join is given, else None.
        run: Calls a function with the flow's arguments and waits for its end.
    """
    layers = _Layers(flow, info, inputs)
    function = layers.enter()
    try:
        if function is not None:
            run(function)
    except Exception as error:  # noqa: BLE001 - the user's code, which their decorators may handle
        layers.leave(error)
    else:
        layers.leave(None)


async def run_wrapped_async(
    flow: Any, info: StepInfo, inputs: Any, run: Callable[[Callable[..., Any]], Awaitable[None]]
) -> None:
    """As `run_wrapped`, for `async def` steps."""
    layers = _Layers(flow, info, inputs)
    function = layers.enter()
    try:
        if function is not None:
            await run(function)
    except Exception as error:  # noqa: BLE001 - as above
        layers.leave(error)
    else:
        layers.leave(None)


class _Layers:
    """The decorators around one attempt, entered from the outside and left from the inside."""

    def __init__(self, flow: Any, info: StepInfo, inputs: Any) -> None:
        self._flow = flow
        self._info = info
        self._inputs = inputs
        self._entered: list[Any] = []
        self._next: Mapping[str, Any] = {}  # Any: arguments of self.next
        self._error: Exception | None = None

    def enter(self) -> Callable[..., Any] | None:
        """Do what comes before; return what is to be called, None to leave the step out."""
        function: Callable[..., Any] | None = getattr(self._flow.__class__, self._info.name)
        for layer in wrappings_of(self._info):
            layer._skips = False  # what an earlier task of this process has set
            try:
                instead = layer.pre_step(self._info.name, self._flow, self._inputs)
                skip = layer.skip_step
            except Exception as error:  # noqa: BLE001 - the user's; decorators further out may handle it
                self._error = error
                return None
            self._entered.append(layer)
            if skip:
                self._next = cast("Mapping[str, Any]", skip) if isinstance(skip, Mapping) else {}
                return None
            function = instead or function
        return function

    def leave(self, error: Exception | None) -> None:
        """Do what comes after; hand on where the step did not. Raises what is left of the error."""
        found: Any = error or self._error
        for layer in reversed(self._entered):
            try:
                told = layer.post_step(self._info.name, self._flow, found)
            except Exception as raised:  # noqa: BLE001 - the user's
                told = raised
            if isinstance(told, tuple):
                told, arguments = cast("tuple[Any, Mapping[str, Any] | None]", told)
                self._next = arguments or self._next
            found = told
        if isinstance(found, BaseException):
            raise found
        if self._flow._next is None or self._next:
            _hand_on(self._flow, self._info, self._next)


def _hand_on(flow: Any, info: StepInfo, given: Mapping[str, Any]) -> None:
    """Call `self.next` for a step that did not: as its source says, with what is given instead."""
    if info.transition is Transition.END:
        return
    arguments = dict(given)
    targets: tuple[Any, ...] = tuple(getattr(flow, name) for name in info.targets)
    if info.transition is Transition.FOREACH:
        arguments.setdefault("foreach", info.foreach)
    elif info.transition is Transition.PARALLEL and "num_parallel" not in arguments:
        if info.num_parallel is None:
            raise DecoratorError(
                f"Step {info.name} is left out, and how many nodes it goes on to is not known",
                hint="Give the arguments of self.next, such as {'num_parallel': 4}.",
            )
        arguments["num_parallel"] = info.num_parallel
    elif info.transition is Transition.SWITCH:
        targets = ({case: getattr(flow, name) for case, name in info.cases.items()},)
        arguments.setdefault("condition", info.condition)
    flow._next = None
    flow.next(*targets, **arguments)
