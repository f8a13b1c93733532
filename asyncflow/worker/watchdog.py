"""Names the step that blocks an event loop, and the place in the user's code where it does.

The loop's selector notes when it hands control to callbacks; a thread looks four times a second how long ago that
was, and in the thread's stack for the innermost line that is the user's own. It costs the loop two looks at the
clock a turn.
"""

from __future__ import annotations

import linecache
import os
import selectors
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from types import FrameType

__all__ = ["Watchdog", "WatchedSelector", "users_place"]

BLOCKED_S = 1.0
"""How long a loop may be held up before it is said who does; said again after each doubling."""
_LOOK_S = 0.25
_NOT_THE_USERS = tuple(
    dict.fromkeys(
        os.path.join(os.path.abspath(path), "")
        for path in (
            os.path.dirname(os.path.dirname(__file__)),
            sysconfig.get_path("stdlib"),
            sysconfig.get_path("platstdlib"),
            sysconfig.get_path("purelib"),
            sysconfig.get_path("platlib"),
        )
    )
)


class WatchedSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """A selector that says since when the loop has not come back to it."""

    busy_since: float | None = None
    """Monotonic; None while it waits."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events, as every selector does."""
        self.busy_since = None
        events = super().select(timeout)
        self.busy_since = time.monotonic()
        return events


class Watchdog(threading.Thread):
    """Watches the loop of one thread.

    Args:
        selector: The loop's.
        thread_id: The loop's thread.
        tell: Told, from this thread, since how many seconds the loop is blocked, and where: `file:line in name: code`.
    """

    def __init__(self, selector: WatchedSelector, thread_id: int, tell: Callable[[float, str], None]) -> None:
        super().__init__(name="asyncflow-watchdog", daemon=True)
        self._selector = selector
        self._thread_id = thread_id
        self._tell = tell

    def run(self) -> None:
        """Look until the process ends."""
        said_of: float | None = None
        limit_s = BLOCKED_S
        while True:
            time.sleep(_LOOK_S)
            since = self._selector.busy_since
            if since is None:
                continue
            if since != said_of:
                limit_s = BLOCKED_S
            blocked_s = time.monotonic() - since
            if blocked_s >= limit_s:
                said_of, limit_s = since, 2 * limit_s
                self._tell(blocked_s, self._place())

    def _place(self) -> str:
        frame = sys._current_frames().get(self._thread_id)  # pyright: ignore[reportPrivateUsage] - documented
        return "" if frame is None else users_place(frame)


def users_place(frame: FrameType) -> str:
    """Return `file:line in name: code` of the innermost frame of the user's; empty if all are libraries'."""
    here: FrameType | None = frame
    while here is not None:
        code = here.f_code
        if not code.co_filename.startswith((*_NOT_THE_USERS, "<frozen")):
            text = linecache.getline(code.co_filename, here.f_lineno).strip()
            return f"{code.co_filename}:{here.f_lineno} in {code.co_name}: {text}"
        here = here.f_back
    return ""
