"""`--notify URL`: a process of its own reads a run's log and posts its events. The scheduler does not wait for it.

It is a reader as any other: it follows the log, so it needs no queue, loses nothing when the receiver is slow, and
ends by itself when the run's scheduler is gone.
"""

from __future__ import annotations

import subprocess
import sys
from urllib.parse import urlsplit

from asyncflow.errors import UserError

__all__ = ["Notifier", "NotifyError", "checked_url", "without_secrets"]

FLUSH_S = 10.0
"""How long the last events may take to be delivered after the run's end, seconds."""


class NotifyError(UserError):
    """The address for notifications is none."""

    headline = "Invalid --notify"


class Notifier:
    """The process that posts a run's events.

    Args:
        url: Where to; it never shows on a command line, as it may hold a token.
        home: The store's directory.
        run: The run.
        after: The number of the first event to post: what an earlier process has posted is not repeated.
    """

    def __init__(self, url: str, *, home: str, run: int, after: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "asyncflow.runtime.notify_main", home, str(run), str(after)],
            stdin=subprocess.PIPE,
            stdout=2,
            start_new_session=True,  # Ctrl-C is the run's; its last events are to be told
        )
        assert self._process.stdin is not None, "it was asked for"
        try:
            self._process.stdin.write(f"{url}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended already, and said why

    def finish(self) -> None:
        """Wait until all is posted, no longer than `FLUSH_S` and a little; then end it. Blocking."""
        assert self._process.stdin is not None, "it was asked for"
        try:
            self._process.stdin.close()  # by this it knows that the run is over, or that we have died
        except BrokenPipeError:
            pass
        try:
            self._process.wait(FLUSH_S + 2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def checked_url(url: str) -> str:
    """Return the address. Raises NotifyError if it is none of http or https."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        raise NotifyError(
            f"'{url}' is no address that events can be posted to", hint="Write https://host/path"
        )
    return url


def without_secrets(arguments: list[str]) -> list[str]:
    """Return a command line as it may be recorded: of a --notify address only scheme and host stay."""
    told: list[str] = []
    is_next = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if is_next:
            told.append(_public(argument))
        elif name == "--notify" and equals:
            told.append(f"{name}={_public(value)}")
        else:
            told.append(argument)
        is_next = argument == "--notify"
    return told


def _public(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname or ''}/..."
    except ValueError:
        return "..."
