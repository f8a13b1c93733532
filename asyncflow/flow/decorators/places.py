"""Which decorators say that a step runs elsewhere: those that bear the name of a backend."""

from __future__ import annotations

from collections.abc import Sequence

from asyncflow.flow.decorators.base import StepDecorator
from asyncflow.flow.errors import DuplicateDecoratorError

__all__ = ["place_of"]

_OURS = ("kubernetes", "batch")
_HOME = "asyncflow.flow."


def place_of(decorators: Sequence[StepDecorator], *, step: str = "", where: str = "") -> StepDecorator | None:
    """Return the decorator that says where a step runs; None: on this machine.

    Raises:
        DuplicateDecoratorError: Two say that.
    """
    found = [one for one in decorators if _is_place(one)]
    if len(found) > 1:
        names = " and ".join(f"@{one.name}" for one in found)
        raise DuplicateDecoratorError(
            f"Step {step} is to run in two places: it has {names}",
            where=where,
            hint="Keep one of them. `--with` adds to what stands in the file.",
        )
    return found[0] if found else None


def _is_place(decorator: StepDecorator) -> bool:
    if type(decorator).__module__.startswith(_HOME):
        return decorator.name in _OURS
    from asyncflow.plugins import BACKENDS, names  # 6 ms, for decorators that other packages bring

    return decorator.name in names(BACKENDS)
