"""The objects, each with a version, and the history of their changes.

One number counts all changes, as etcd's revision does. An object in the store is never changed in place; each version
is encoded once, and that text serves answers, watchers and whoever wants a copy to change.
"""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.services.kube.kinds import Kind
from tests.services.kube.objects import ApiError, Object, name_of, namespace_of, timestamp

ADDED = "ADDED"
MODIFIED = "MODIFIED"
DELETED = "DELETED"

_FIRST_VERSION = 1000
_KEPT_CHANGES = 50_000
_KEPT_PAGES = 20


@dataclass(frozen=True, slots=True)
class Stored:
    """One version of an object."""

    item: Object
    text: bytes
    """The item as JSON."""

    def copy(self) -> Object:
        """Return a copy that may be changed."""
        copied: Object = json.loads(self.text)
        return copied


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the history."""

    version: int
    type: str
    kind: Kind
    after: Stored
    """For a deletion: the object as it was last, with the version of the deletion."""
    before: Stored | None

    @property
    def item(self) -> Object:
        """The object after the change."""
        return self.after.item


Listener = Callable[[Change], None]


class Store:
    """See the module."""

    def __init__(self) -> None:
        self.version = _FIRST_VERSION
        self.compacted = _FIRST_VERSION - 1
        """Changes up to this one are forgotten."""
        self.listeners: list[Listener] = []
        """Called with each change, at once."""
        self._objects: dict[Kind, dict[tuple[str, str], Stored]] = {}
        self._history: list[Change] = []
        self._pages: dict[str, list[Stored]] = {}

    def find(self, kind: Kind, namespace: str, name: str) -> Stored | None:
        """Return an object; None if there is none."""
        return self._objects.get(kind, {}).get((namespace, name))

    def get(self, kind: Kind, namespace: str, name: str) -> Stored:
        """Return an object.

        Raises:
            ApiError: 404.
        """
        found = self.find(kind, namespace, name)
        if found is None:
            details = {"name": name, "group": kind.group, "kind": kind.plural}
            raise ApiError(404, f'{kind.qualified} "{name}" not found', details=details)
        return found

    def all(self, kind: Kind, namespace: str = "") -> Iterator[Stored]:
        """Yield the objects of a kind, of one namespace or of all, in the order in which they were made."""
        for (place, _), stored in list(self._objects.get(kind, {}).items()):
            if not namespace or place == namespace:
                yield stored

    def create(self, kind: Kind, item: Object) -> Stored:
        """Keep a new object; its time and version are given here, and its uid if it has none.

        Raises:
            ApiError: 409, there is one of that name.
        """
        name = name_of(item)
        if self.find(kind, namespace_of(item), name) is not None:
            details = {"name": name, "group": kind.group, "kind": kind.plural}
            message = f'{kind.qualified} "{name}" already exists'
            raise ApiError(409, message, reason="AlreadyExists", details=details)
        item["metadata"].setdefault("uid", str(uuid.uuid4()))
        item["metadata"].update(creationTimestamp=timestamp(), generation=1)
        return self._write(ADDED, kind, item, None)

    def update(self, kind: Kind, item: Object) -> Stored:
        """Keep a changed object; nothing happens if it is as it was.

        Raises:
            ApiError: 404, it is gone; 409, it is of an older version than the one kept.
        """
        before = self.get(kind, namespace_of(item), name_of(item))
        kept = before.item["metadata"]
        metadata = item["metadata"]
        if metadata.setdefault("resourceVersion", kept["resourceVersion"]) != kept["resourceVersion"]:
            raise conflict(kind, name_of(item))
        if item == before.item:
            return before
        metadata["uid"] = kept["uid"]
        metadata["creationTimestamp"] = kept["creationTimestamp"]
        metadata["generation"] = kept["generation"] + (item.get("spec") != before.item.get("spec"))
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers") and kept.get("finalizers"):
            return self._remove(kind, item, before)
        return self._write(MODIFIED, kind, item, before)

    def modify(
        self, kind: Kind, namespace: str, name: str, change: Callable[[Object], None]
    ) -> Stored | None:
        """Change an object as the server's own parts do, whose changes never conflict; None if it is gone."""
        found = self.find(kind, namespace, name)
        if found is None:
            return None
        item = found.copy()
        change(item)
        return self.update(kind, item)

    def remove(self, kind: Kind, namespace: str, name: str) -> Stored | None:
        """Delete an object at once; None if it is gone. One with finalizers stays until they are taken away."""
        found = self.find(kind, namespace, name)
        if found is None:
            return None
        item = found.copy()
        if item["metadata"].get("finalizers"):
            item["metadata"].setdefault("deletionTimestamp", timestamp())
            item["metadata"].setdefault("deletionGracePeriodSeconds", 0)
            return self.update(kind, item)
        return self._remove(kind, item, found)

    def since(self, kind: Kind, version: int) -> list[Change]:
        """Return the changes of a kind after a version.

        Raises:
            ApiError: 410, they are forgotten.
        """
        if version < self.compacted:
            raise ApiError(410, f"too old resource version: {version} ({self.compacted})")
        start = bisect_right(self._history, version, key=lambda change: change.version)
        return [change for change in self._history[start:] if change.kind is kind]

    def compact(self) -> None:
        """Forget all history, and the pages of lists that are being read."""
        self.compacted = self.version
        self._history.clear()
        self._pages.clear()

    def keep_page(self, rest: list[Stored], version: int) -> str:
        """Keep what is left of a list; return the token by which it goes on."""
        token = base64.urlsafe_b64encode(
            json.dumps({"rv": version, "id": uuid.uuid4().hex}).encode()
        ).decode()
        self._pages[token] = rest
        while len(self._pages) > _KEPT_PAGES:
            del self._pages[next(iter(self._pages))]
        return token

    def take_page(self, token: str) -> tuple[list[Stored], int]:
        """Return what is left of a list and its version.

        Raises:
            ApiError: 410, it is forgotten.
        """
        rest = self._pages.get(token)
        if rest is None:
            message = "The provided continue parameter is too old to display a consistent list result."
            raise ApiError(410, message)
        return rest, int(json.loads(base64.urlsafe_b64decode(token))["rv"])

    def _write(self, kind_of_change: str, kind: Kind, item: Object, before: Stored | None) -> Stored:
        stored = self._next(item)
        self._objects.setdefault(kind, {})[namespace_of(item), name_of(item)] = stored
        self._publish(Change(self.version, kind_of_change, kind, stored, before))
        return stored

    def _remove(self, kind: Kind, item: Object, before: Stored) -> Stored:
        del self._objects[kind][namespace_of(item), name_of(item)]
        stored = self._next(item)
        self._publish(Change(self.version, DELETED, kind, stored, before))
        return stored

    def _next(self, item: Object) -> Stored:
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        return Stored(item, json.dumps(item, separators=(",", ":")).encode())

    def _publish(self, change: Change) -> None:
        self._history.append(change)
        if len(self._history) > 2 * _KEPT_CHANGES:
            del self._history[:_KEPT_CHANGES]
            self.compacted = self._history[0].version - 1
        for listener in list(self.listeners):
            listener(change)


def conflict(kind: Kind, name: str) -> ApiError:
    """Return the refusal of a change to an object that has changed meanwhile."""
    message = (
        f'Operation cannot be fulfilled on {kind.qualified} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return ApiError(409, message, details={"name": name, "group": kind.group, "kind": kind.plural})


class Inbox:
    """Changes that wait for whoever handles them; filled by a listener."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._filled = asyncio.Event()

    def put(self, change: Change) -> None:
        """Add a change."""
        self._changes.append(change)
        self._filled.set()

    @property
    def is_filled(self) -> bool:
        """Whether there are changes."""
        return bool(self._changes)

    def wake(self) -> None:
        """End the waiting, though there may be no change."""
        self._filled.set()

    async def wait(self) -> None:
        """Wait for changes, or for `wake`."""
        await self._filled.wait()

    async def take(self) -> list[Change]:
        """Wait for changes; return all there are."""
        await self._filled.wait()
        return self.take_nowait()

    def take_nowait(self) -> list[Change]:
        """Return all changes there are, maybe none."""
        self._filled.clear()
        taken, self._changes = self._changes, []
        return taken
