"""`self.next(...)` at run time: its form is checked where it is called, its value when the worker asks."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from asyncflow.flow.binding import NextCall
from asyncflow.flow.errors import InvalidNextError
from asyncflow.flow.steps import is_step
from asyncflow.machine.graph import Transition

if TYPE_CHECKING:
    from asyncflow.flow.graph import StepInfo

__all__ = ["check_static", "chosen_target", "foreach_items", "next_call"]


def next_call(
    flow: Any,  # Any: a FlowSpec; importing it here would be a cycle
    targets: Sequence[Any],  # Any: whatever the user passed
    options: Mapping[str, Any],  # Any: whatever the user passed
) -> NextCall:
    """Check the form of a call of `self.next` and say what it asks for.

    Args:
        flow: The flow object it was called on.
        targets: Positional arguments.
        options: Keyword arguments; None counts as not given.

    Raises:
        InvalidNextError: Called before; unknown option, options that exclude each other, a target that is no step.
    """
    if flow._next is not None:
        _refuse(
            "self.next was called twice in one step",
            "Call it once, as the last statement; to choose at run time use condition=.",
        )
    if not options and len(targets) == 1 and not isinstance(targets[0], dict):
        return NextCall(targets=(_name_of(flow, targets[0]),))  # most calls; what follows makes functions
    return _checked(flow, targets, options)


def _checked(flow: Any, targets: Sequence[Any], options: Mapping[str, Any]) -> NextCall:  # Any: as above
    unknown = [name for name in options if name not in ("foreach", "num_parallel", "condition")]
    if unknown:
        _refuse(
            f"Step uses self.next with an unknown option '{unknown[0]}'",
            "Known options are foreach=, num_parallel= and condition=.",
        )
    given = {name: value for name, value in options.items() if value is not None}
    if len(given) > 1:
        _refuse(
            f"self.next got {' and '.join(f'{name}=' for name in given)}, which exclude each other",
            "Use one of them a step; put a second step between if you need both.",
        )
    if "condition" in given or (len(targets) == 1 and isinstance(targets[0], dict)):
        return _switch(flow, targets, given.get("condition"))
    names = tuple(_name_of(flow, target) for target in targets)
    if not names:
        _refuse("self.next got no step to go to", "Name the next step: self.next(self.next_step)")
    if len(set(names)) != len(names):
        _refuse(f"self.next names a step twice: {', '.join(names)}", "Name every branch once.")
    if given and len(names) != 1:
        _refuse(
            f"self.next with {next(iter(given))}= takes one step, got {len(names)}: {', '.join(names)}",
            "Go to one step, and split again from there.",
        )
    if "foreach" in given:
        return NextCall(targets=names, foreach=_attribute(given["foreach"], "foreach"))
    if "num_parallel" in given:
        return NextCall(targets=names, num_parallel=_gang_size(given["num_parallel"]))
    return NextCall(targets=names)


def _switch(flow: Any, targets: Sequence[Any], condition: object) -> NextCall:
    shape = "self.next({'small': self.a, 'large': self.b}, condition='size')"
    if len(targets) != 1 or not isinstance(targets[0], dict) or not targets[0]:
        _refuse("condition= needs one dictionary of cases", f"Write for example {shape}")
    if condition is None:
        _refuse("A dictionary of cases needs condition=", f"Write for example {shape}")
    cases = {value: _name_of(flow, target) for value, target in targets[0].items()}
    return NextCall(
        targets=tuple(dict.fromkeys(cases.values())),
        condition=_attribute(condition, "condition"),
        cases=cases,
    )


def _name_of(flow: Any, target: Any) -> str:
    name = getattr(target, "__name__", None)
    method = getattr(target, "__func__", None)
    if method is None or not is_step(method) or not isinstance(name, str):
        shown = name if isinstance(name, str) else repr(target)[:100]
        _refuse(
            f"self.next got {shown}, which is not a step of flow {flow.name}",
            "Pass a method marked with @step, without parentheses: self.next(self.train)",
        )
    if getattr(type(flow), name, None) is not method:
        _refuse(
            f"self.next got {name}, which is not a step of flow {flow.name}", "Pass self.<name of a step>."
        )
    return name


def _attribute(value: object, option: str) -> str:
    if not isinstance(value, str):
        _refuse(
            f"{option}= must be the name of an attribute, got {type(value).__name__}",
            f"Set self.items = ... and write self.next(..., {option}='items')",
        )
    return value


def _gang_size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        _refuse(f"num_parallel= must be a whole number of at least 1, got {value!r:.100}", "Give 1 or more.")
    return value


def _refuse(message: str, hint: str) -> NoReturn:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("asyncflow.flow."):
        frame = frame.f_back
    if frame is None:
        raise InvalidNextError(message, hint=hint)
    file, line = frame.f_code.co_filename, frame.f_lineno
    source = linecache.getline(file, line).strip()
    raise InvalidNextError(message, where=f"{file}:{line}", source=source, hint=hint)


def foreach_items(flow: Any, call: NextCall) -> Iterable[Any]:  # Any: the user's items
    """Return what a foreach iterates over; for a mapping its keys.

    Raises:
        InvalidNextError: The attribute is missing or cannot be iterated.
    """
    name = call.foreach or ""
    try:
        items = getattr(flow, name)
    except AttributeError:
        raise InvalidNextError(
            f"self.next has foreach='{name}', but self.{name} was never set",
            hint=f"Set self.{name} before self.next.",
        ) from None
    try:
        iter(items)
    except TypeError:
        raise InvalidNextError(
            f"self.next has foreach='{name}', but self.{name} is {type(items).__name__}, which has no items",
            hint=f"Make self.{name} a list or another iterable.",
        ) from None
    return items  # type: ignore[no-any-return]


def chosen_target(flow: Any, call: NextCall) -> str:
    """Return the step that a switch picks.

    Raises:
        InvalidNextError: The condition's attribute is missing or cannot be a dictionary's key.
        RuntimeError: No case has this value.
    """
    name = call.condition or ""
    try:
        value = getattr(flow, name)
    except AttributeError:
        raise InvalidNextError(
            f"self.next has condition='{name}', but self.{name} was never set",
            hint=f"Set self.{name} before self.next.",
        ) from None
    try:
        return call.cases[value]
    except KeyError:
        known = ", ".join(repr(case) for case in call.cases)
        raise RuntimeError(
            f"The switch on self.{name} has no case for {value!r:.200}; its cases are {known}"
        ) from None
    except TypeError:
        raise InvalidNextError(
            f"self.{name} is {type(value).__name__}, which cannot pick a case of a switch",
            hint=f"Make self.{name} a text, a number, True, False or None.",
        ) from None


def check_static(info: StepInfo, call: NextCall) -> None:
    """Check that a call made at run time is the one the graph was made from.

    Raises:
        InvalidNextError: It is another one, such as a second `self.next` earlier in the step.
    """
    is_as_written = call.targets == info.targets and call.foreach == info.foreach
    is_switch_as_written = call.condition == info.condition and (
        not (call.cases or info.cases) or dict(call.cases) == dict(info.cases)
    )
    is_gang_as_written = call.num_parallel is None or info.transition is Transition.PARALLEL
    if is_as_written and is_switch_as_written and is_gang_as_written:
        return
    raise InvalidNextError(
        f"Step {info.name} went to {', '.join(call.targets)}, but its last statement goes to "
        f"{', '.join(info.targets) or 'nothing'}{_manner(info)}",
        where=info.next_where,
        source=info.next_source,
        hint="Call self.next once, as the last statement; to choose at run time use condition=.",
    )


def _manner(info: StepInfo) -> str:
    if info.foreach is not None:
        return f" with foreach='{info.foreach}'"
    if info.condition is not None:
        return f" with condition='{info.condition}'"
    return " with num_parallel" if info.transition is Transition.PARALLEL else " plainly"
