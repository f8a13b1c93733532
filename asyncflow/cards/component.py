"""The base of what goes onto a card."""

from __future__ import annotations

from typing import Any, ClassVar

from asyncflow.cards import tree

__all__ = ["Component", "Drawn", "MetaflowCardComponent"]


class Component:
    """Base of components that users write. `render` says what to show; nothing else is needed.

    `render` is called when the card is made and each time it is published while the task runs, then on another
    thread. It returns a text, which is shown as it is; another component, or a list of them; or a node of
    `asyncflow.cards.tree`. What it raises is shown in place of the component.
    """

    REALTIME_UPDATABLE: ClassVar[bool] = False
    type: ClassVar[str] = "component"
    _id: str | None = None

    @property
    def component_id(self) -> str | None:
        """By what it is found in `current.card.components`; None: it has no name."""
        return self._id

    @component_id.setter
    def component_id(self, value: str | None) -> None:
        self._id = value

    def update(self, *args: Any, **named: Any) -> None:
        """Take new data. What that is the component says; this one takes none."""

    def render(self) -> Any:  # Any: see above
        """Return what to show."""
        return ""


class Drawn(Component):
    """Base of the components that come with asyncflow: they draw themselves as nodes."""

    REALTIME_UPDATABLE: ClassVar[bool] = True

    def draw(self, depth: int = 0) -> tree.Node:
        """Return the node to show, from what the component has now. `depth` counts the components around it."""
        return tree.Text()

    def render(self) -> tree.Node:
        """Return the node to show."""
        return self.draw()


MetaflowCardComponent = Component
"""The same in Metaflow's words."""
