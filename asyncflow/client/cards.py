"""Cards as programs and notebooks read them."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, overload

from asyncflow.cards import tree
from asyncflow.cards.codec import digest, pack, unpack
from asyncflow.cards.live import read_live
from asyncflow.client.errors import InvalidPathspec
from asyncflow.errors import StoreError
from asyncflow.events.rows import LIVING
from asyncflow.store.layout import blob_path, live_cards_path, pack_path
from asyncflow.store.manifest import CardRecord

if TYPE_CHECKING:
    from asyncflow.cards.html import Charts
    from asyncflow.client.tasks import Task

__all__ = ["Card", "CardContainer", "cards_of", "get_cards", "plain_card"]

_FRAME_STYLE = "width:100%;height:720px;border:1px solid #8884;border-radius:8px"

_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
"""Where none of these is set there is no browser but, perhaps, one that takes over the terminal."""


class Card:
    """One card of a task. What it shows is read when it is asked for."""

    def __init__(
        self, task: Task, record: CardRecord, *, is_live: bool = False, is_implied: bool = False
    ) -> None:
        self._task = task
        self._record = record
        self.is_live = is_live
        """The task runs, and this is what it showed when the card was looked for."""
        self.is_implied = is_implied
        """The step has no @card: this is the default card, of what is known of every task."""

    @property
    def type(self) -> str:
        """The type of the card."""
        return self._record.type

    @property
    def id(self) -> str | None:
        """What `@card(id=...)` calls it; None: nothing."""
        return self._record.id or None

    @property
    def hash(self) -> str:
        """The digest of what the task left of it."""
        return self._record.digest

    @property
    def pathspec(self) -> str:
        """Whose card it is."""
        return self._task.pathspec

    @property
    def path(self) -> str:
        """The file that has what the task left of it: a blob, the manifests' pack, or what a running task shows."""
        home, key = self._task.place.home, self._task.key()
        if self.is_live:
            return live_cards_path(home, key.run, key.task, key.attempt)
        if self._record.inline is None and self._record.digest:
            return blob_path(home, self._record.digest)
        return pack_path(home, key.run, key.task)

    @property
    def from_resumed(self) -> bool:
        """It was made by the task that this one's result was taken over from."""
        return self._task.origin_pathspec is not None

    @property
    def origin_pathspec(self) -> str | None:
        """That task; None: this one made it."""
        return self._task.origin_pathspec

    def body(self) -> tree.Body:
        """Return what the task left of it.

        Raises:
            StoreError: It is missing or damaged.
        """
        record = self._record
        if self.is_implied:
            return tree.Body()
        packed = record.inline if self.is_live else self._task.place.store.read_card(record)
        try:
            return unpack(packed or b"", tree.Body)
        except ValueError as error:
            raise StoreError(f"Card '{self.type}' of {self.pathspec} cannot be read: {error}") from error

    def page(self) -> tree.Page:
        """Return all that it shows, for renderers. Raises StoreError."""
        from asyncflow.client.card_pages import page_of

        return page_of(
            self._task,
            self.body(),
            type=self.type,
            card_id=self._record.id,
            made_at=self._record.made_at,
            is_live=self.is_live,
        )

    def get(self, charts: Charts | None = None) -> str:
        """Return it as one HTML file that needs nothing beside it; `charts` draws its charts. Raises StoreError."""
        from asyncflow.cards.html import page_html  # 60 ms, for those who draw

        return page_html(self.page(), charts=charts)

    @property
    def html(self) -> str:
        """The same."""
        return self.get()

    def get_data(self) -> Any:  # Any: what JSON can say
        """Return the data that goes with what a running task shows (`refresh(data)`); None: there is none."""
        data = self.body().data
        return json.loads(data) if data else None

    def view(self) -> str:
        """Write it to a temporary file, open that in the browser if there is a screen, and return its path."""
        fd, path = tempfile.mkstemp(prefix=f"card-{self._task.id}-", suffix=".html")
        with os.fdopen(fd, "w", encoding="utf-8", errors="replace") as file:
            file.write(self.get())
        if sys.platform == "darwin" or any(os.environ.get(name) for name in _SCREENS):
            import webbrowser

            webbrowser.open(f"file://{path}")
        return path

    def __repr__(self) -> str:
        return f"Card(type='{self.type}', id={self.id!r}, task='{self.pathspec}')"

    def _repr_html_(self) -> str:
        return f'<iframe sandbox style="{_FRAME_STYLE}" srcdoc="{escape(self.get())}"></iframe>'


class CardContainer(Sequence[Card]):
    """The cards of a task, in the order of its @card."""

    def __init__(self, cards: Sequence[Card]) -> None:
        self._cards = list(cards)

    @overload
    def __getitem__(self, index: int) -> Card: ...

    @overload
    def __getitem__(self, index: slice) -> list[Card]: ...

    def __getitem__(self, index: int | slice) -> Card | list[Card]:
        return self._cards[index]

    def __len__(self) -> int:
        return len(self._cards)

    def __iter__(self) -> Iterator[Card]:
        return iter(self._cards)

    def __repr__(self) -> str:
        return f"CardContainer({self._cards!r})"

    def _repr_html_(self) -> str:
        if not self._cards:
            return "<i>no cards</i>"
        return "".join(
            f"<p><b>{escape(card.type)}{' · ' + escape(card.id) if card.id else ''}</b></p>{card._repr_html_()}"
            for card in self._cards
        )


def get_cards(
    task: Any,  # Any: a Task, or the pathspec of one
    id: str | None = None,
    type: str | None = None,
    follow_resumed: bool = True,
) -> CardContainer:
    """Return the cards of a task; those it shows now, while it runs. None at all, if its step has no @card.

    Args:
        task: The task, or its pathspec, upon which the client looks at all runs from then on, as in Metaflow.
        id: Only the card with this id.
        type: Only cards of this type.
        follow_resumed: Of a task that was taken over, the cards of the one that ran; False: none.

    Raises:
        InvalidPathspec: It is no task's pathspec.
        NoSuchObject: There is no such task.
    """
    from asyncflow.client.place import namespace
    from asyncflow.client.tasks import Task

    if isinstance(task, str):
        if task.strip("/").count("/") != 3:
            raise InvalidPathspec(
                f"'{task}' names no task", hint="A task's pathspec looks like Flow/42/train/7."
            )
        namespace(None)
        task = Task(task)
    if not isinstance(task, Task):
        raise InvalidPathspec(f"{task!r:.100} is no task", hint="Give a Task, or its pathspec.")
    return cards_of(task, card_id=id, type=type, follow_resumed=follow_resumed)


def cards_of(
    task: Task, *, card_id: str | None = None, type: str | None = None, follow_resumed: bool = True
) -> CardContainer:
    """Return the cards of a task, as `get_cards` does."""
    if task.origin_pathspec is not None and not follow_resumed:
        return CardContainer([])
    manifest = task.manifest()
    records = () if manifest is None else manifest.cards
    is_live = False
    if manifest is None:
        key = task.key()
        live = read_live(task.place.home, key.run, key.task, key.attempt)
        records, is_live = () if live is None else live.cards, True
    return CardContainer(
        [
            Card(task, record, is_live=is_live)
            for record in records
            if (card_id is None or record.id == card_id) and (type is None or record.type == type)
        ]
    )


def plain_card(task: Task) -> Card:
    """Return the default card of a task whose step has no @card: of what is known of every task."""
    row = task.row()
    packed = pack(tree.Body())
    at = 0.0 if row is None else row.ended_at or row.launched_at or row.created_at
    record = CardRecord("default", "", digest(packed), len(packed), None, at)
    return Card(task, record, is_live=str(task.status) in LIVING, is_implied=True)
