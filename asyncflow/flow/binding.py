"""How a flow object reaches its task's artifacts without knowing the store: the worker hands it a binding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from asyncflow.records import field, record

__all__ = ["NextCall", "TaskBinding"]


@record
class NextCall:
    """What a step's `self.next(...)` asked for, checked for form."""

    targets: tuple[str, ...]
    """Names of the target steps, in the order written."""
    foreach: str | None = None
    """Name of the attribute to iterate over."""
    num_parallel: int | None = None
    condition: str | None = None
    """Name of the attribute that picks a case of a switch."""
    cases: Mapping[Any, str] = field(default_factory=dict[Any, str])  # Any: the user's case values
    """Switch cases: value to target step."""


class TaskBinding(Protocol):
    """What a flow object asks of the task it runs in. Implemented by the worker, and by `asyncflow.testing`."""

    @property
    def input(self) -> Any:  # Any: the user's object
        """The foreach item of the innermost foreach level; None outside a foreach."""
        ...

    @property
    def index(self) -> int | None:
        """Index in the innermost foreach; None outside a foreach."""
        ...

    def load(self, name: str) -> Any:  # Any: the user's object
        """Return an inherited artifact or parameter. Raises KeyError if there is none of that name."""
        ...

    def names(self) -> Iterable[str]:
        """Names of the inherited artifacts."""
        ...

    def foreach_stack(self) -> list[tuple[int, int, Any]]:
        """(index, number of splits, value) per foreach level, outermost first."""
        ...

    def merge(
        self, flow: Any, inputs: Sequence[Any], *, include: Sequence[str], exclude: Sequence[str]
    ) -> None:
        """Take over what the branches agree on (`merge_artifacts`). Raises the two merge errors."""
        ...
