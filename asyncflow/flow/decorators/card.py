"""`@card`: a report that comes with each task of a step."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, overload

from asyncflow.flow.decorators.base import Method, StepDecorator, decorate
from asyncflow.records import field, record

__all__ = ["Card", "card"]

_ID = re.compile(r"[a-zA-Z0-9_]+")


@record(slots=False)
class Card(StepDecorator):
    """Make a card of each task. A step may have several; `current.card` fills them."""

    name: ClassVar[str] = "card"
    allow_multiple: ClassVar[bool] = True
    type: str = "default"
    """`default`, `blank`, or the `type` of a card of one's own."""
    id: str | None = None
    """By what `current.card[...]` finds it: letters, digits and underscores."""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])  # Any: the card's
    """What the card is made with."""
    scope: str = "task"
    """For Metaflow's sake: there is no other."""
    timeout: float = 45
    """How long making it may take, seconds."""
    save_errors: bool = True
    """A card that cannot be made leaves one that says why; False: only a line in the task's log."""
    customize: bool = False
    """Of several cards, this one takes what is put on `current.card` itself."""
    refresh_interval: float = 0.25
    """Shortest time between two states that are shown while the task runs, seconds."""

    def __post_init__(self) -> None:
        if not isinstance(self.type, str) or not self.type:
            self.refuse("type", "the name of a type of cards")
        if self.id is not None and not isinstance(self.id, str):
            self.refuse("id", "a text")
        if not isinstance(self.options, Mapping):
            self.refuse("options", "a mapping of options by name")
        if self.scope != "task":
            self.refuse("scope", '"task"')
        self.number("timeout", at_least=0.1)
        self.number("refresh_interval")

    @property
    def card_id(self) -> str:
        """Its id; empty if it has none that can be used."""
        return self.id if self.id and _ID.fullmatch(self.id) else ""

    @property
    def complaint_of_id(self) -> str:
        """Say what is wrong with the id; empty if nothing is."""
        if self.id is None or self.card_id:
            return ""
        return f"@card has id={self.id!r:.60}, which is ignored: an id is letters, digits and underscores"


@overload
def card(method: Method, /) -> Method: ...


@overload
def card(
    *,
    type: str = "default",
    id: str | None = None,
    options: Mapping[str, Any] = ...,
    scope: str = "task",
    timeout: float = 45,
    save_errors: bool = True,
    customize: bool = False,
    refresh_interval: float = 0.25,
) -> Callable[[Method], Method]: ...


def card(method: Any = None, /, **attributes: Any) -> Any:  # Any: the overloads above say it
    """Make a card of each task of the step, looked at by `asyncflow card view RUN/STEP/TASK`.

    Args:
        method: The step, when used without parentheses.
        attributes: `type`, `id`, `options`, `timeout`, `save_errors`, `customize`, `refresh_interval`.
    """
    return decorate(Card, method, attributes)
