"""The base of cards that users write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

__all__ = ["Card", "MetaflowCard"]


class Card:
    """A kind of card of one's own: a subclass with a `type`, used as `@card(type=...)`.

    It is known once its module has been imported, as the flow's file does it, or by an entry point in the group
    `asyncflow.cards` of an installed package.

    `render` is called in the task's process after the step, also after one that failed. It returns components, which
    are shown in the browser and in the terminal like those of any card; or, as in Metaflow, a page as HTML. Such a page
    is shown in a frame that loads nothing from elsewhere.

    Args:
        options: What `@card(options=...)` says.
        components: What was appended to `current.card`, if the card takes any.
        graph: The flow's graph as plain data.
        flow: The flow object, with the artifacts as they are.
    """

    type: ClassVar[str | None] = None
    """By what `@card` names it."""
    ALLOW_USER_COMPONENTS: ClassVar[bool] = False
    """`current.card` takes components."""
    RUNTIME_UPDATABLE: ClassVar[bool] = False
    """`render_runtime` is called when the card is to be shown while the task runs."""
    RELOAD_POLICY_NEVER: ClassVar[str] = "never"
    RELOAD_POLICY_ALWAYS: ClassVar[str] = "always"
    RELOAD_POLICY_ONCHANGE: ClassVar[str] = "onchange"
    RELOAD_POLICY: ClassVar[str] = "never"

    def __init__(
        self,
        options: Mapping[str, Any] | None = None,
        components: Sequence[Any] | None = None,
        graph: Mapping[str, Any] | None = None,
        flow: Any = None,
    ) -> None:
        self.options = dict(options or {})
        self.components = list(components or ())
        self.graph = graph
        self.flow = flow

    def render(self, task: Any) -> Any:  # Any: the client's Task; components, or a text of HTML
        """Return what to show. `task` has what the step left."""
        return list(self.components)

    def render_runtime(self, task: Any, data: Any) -> Any:  # Any: as above
        """Return what to show while the task runs. `data` is what `refresh` was given. None: as `render` says."""
        return self.render(task)

    def refresh(self, task: Any, data: Any) -> Any:  # Any: JSON-like
        """Return data that goes with what is shown while the task runs; `Card.get_data` of the client gives it."""
        return data

    def reload_content_token(self, task: Any, data: Any) -> str:
        """Return a text that changes when the page must be made anew. Taken as in Metaflow."""
        return "content-token"


MetaflowCard = Card
"""The same in Metaflow's words."""
