"""`@exit_hook`: functions that are called when a run has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any, TypeVar

from asyncflow.flow.errors import DecoratorAttributeError
from asyncflow.records import record

__all__ = ["DEFAULT_TIMEOUT_S", "ExitHooks", "exit_hook", "exit_hooks_of"]

DEFAULT_TIMEOUT_S = 600.0
"""How long one hook may take, seconds, unless its decorator says otherwise."""
_ATTRIBUTE = "__asyncflow_exit_hooks__"
_Flow = TypeVar("_Flow", bound=type)
_Hook = Callable[..., object]


@record
class ExitHooks:
    """One `@exit_hook`."""

    on_success: tuple[_Hook, ...] = ()
    on_error: tuple[_Hook, ...] = ()
    timeout_s: float = DEFAULT_TIMEOUT_S

    def when(self, *, succeeded: bool) -> tuple[_Hook, ...]:
        """Return the functions for a run that ended so."""
        return self.on_success if succeeded else self.on_error


def exit_hook(
    on_success: Sequence[_Hook] = (),
    on_error: Sequence[_Hook] = (),
    options: Mapping[str, Any] | None = None,
) -> Callable[[_Flow], _Flow]:
    """Call functions when a run of the flow has ended, one after another, each in a process of its own.

    A function with a parameter is given the run (`asyncflow.Run`). What it raises, or how long it takes, changes
    nothing of the run. May stand several times over a flow.

    Args:
        on_success: Functions for a run that succeeded; defined in the flow's module, or imported there.
        on_error: Functions for one that failed or was cancelled.
        options: `timeout`: how long each may take, seconds (600).

    Raises:
        DecoratorAttributeError: Something else than functions, or an option that is not known.
    """
    hooks = ExitHooks(
        on_success=_functions(on_success, "on_success"),
        on_error=_functions(on_error, "on_error"),
        timeout_s=_timeout(dict(options or {})),
    )
    if not (hooks.on_success or hooks.on_error):
        raise DecoratorAttributeError(
            "@exit_hook has nothing to call", hint="Give functions: @exit_hook(on_error=[tell_me])"
        )

    def decorate(flow_class: _Flow) -> _Flow:
        # The decorator nearest to the class is applied first, and its hooks are called last, as they are read.
        setattr(flow_class, _ATTRIBUTE, (hooks, *exit_hooks_of(flow_class)))
        return flow_class

    return decorate


def exit_hooks_of(flow_class: type) -> tuple[ExitHooks, ...]:
    """Return a flow's exit hooks, its base classes' included, in the order they are written."""
    found: tuple[ExitHooks, ...] = getattr(flow_class, _ATTRIBUTE, ())
    return found


def _functions(given: Sequence[_Hook], name: str) -> tuple[_Hook, ...]:
    listed = (given,) if isinstance(given, FunctionType) else tuple(given)
    for one in listed:
        if not callable(one):
            raise DecoratorAttributeError(
                f"@exit_hook: {name} has {one!r:.100}, which is no function",
                hint=f"Name functions of the module: @exit_hook({name}=[tell_me])",
            )
    return listed


def _timeout(options: dict[str, Any]) -> float:
    timeout = options.pop("timeout", DEFAULT_TIMEOUT_S)
    if options:
        raise DecoratorAttributeError(
            f"@exit_hook has no option '{next(iter(options))}'", hint="There is one: options={'timeout': 60}"
        )
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout <= 0:
        raise DecoratorAttributeError(f"@exit_hook: timeout={timeout!r:.50} is no number of seconds above 0")
    return float(timeout)
