"""Which tasks a task came from, and which came from it: read off the tasks' rows, clones and recursion included."""

from __future__ import annotations

from collections.abc import Sequence

from asyncflow.events.rows import TaskRow

__all__ = ["Lineage"]


class Lineage:
    """How the tasks of one run hang together.

    Every row names the task it starts from. A join names the split it closes instead, so its parents are looked for:
    the last task of each branch of that split.

    Args:
        rows: All tasks of the run.
    """

    def __init__(self, rows: Sequence[TaskRow]) -> None:
        self._rows = rows
        self._by_task = {row.task: row for row in rows}
        self._by_origin = {row.origin: row.task for row in rows if row.origin is not None}
        self._after: dict[int, list[TaskRow]] = {}
        self._branches: dict[int, list[TaskRow]] = {}
        self._joins = {row.closes: row for row in rows if row.closes is not None}
        for row in rows:
            parent = self._parent(row)
            if parent is not None:
                self._after.setdefault(parent, []).append(row)
            if row.scope is not None:
                self._branches.setdefault(row.scope, []).append(row)

    def parents(self, task: int) -> list[TaskRow]:
        """Return the tasks whose results it started from, a join's in the order of its inputs."""
        row = self._by_task[task]
        if row.closes is None:
            parent = self._parent(row)
            return [] if parent is None else [self._by_task[parent]]
        heads = sorted(self._branches.get(row.closes, ()), key=lambda head: head.position)
        return [self._last_of_branch(head) for head in heads] or [self._by_task[row.closes]]

    def children(self, task: int) -> list[TaskRow]:
        """Return the tasks that started from its result, in order of creation."""
        found = [row for row in self._after.get(task, ()) if row.closes is None]
        if found:
            return found
        join = self._joins.get(task)  # of a foreach over nothing
        if join is not None:
            return [join]
        head = self._head_of(self._by_task[task])
        join = None if head is None or head.scope is None else self._joins.get(head.scope)
        return [] if join is None else [join]

    def _parent(self, row: TaskRow) -> int | None:
        """Return the task of this run that the row names as where it starts from."""
        key = row.parent
        if key.run == row.run:
            return key.task if key.task in self._by_task else None
        return self._by_origin.get(key)

    def _next_in_branch(self, row: TaskRow) -> TaskRow | None:
        """Return the task after this one at the same level: past an inner split that is its join."""
        for after in self._after.get(row.task, ()):
            if after.path == row.path:
                return after
        return None

    def _last_of_branch(self, head: TaskRow) -> TaskRow:
        last = head
        while (after := self._next_in_branch(last)) is not None:
            last = after
        return last

    def _head_of(self, row: TaskRow) -> TaskRow | None:
        """Return the first task of the branch it ends; None if it ends none."""
        if self._next_in_branch(row) is not None:
            return None
        head: TaskRow | None = row
        while head is not None and head.scope is None:
            parent = self._parent(head)
            head = None if parent is None else self._by_task[parent]
        return head
