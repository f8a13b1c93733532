"""Textual's driver for a real terminal, made to outlive the terminal.

Textual writes in a thread that ends with the first write that fails, and the queue before that thread holds 30 pieces:
once a terminal had gone (a window closed, a line cut), the event loop waited for ever for room in it, and the signal
that tells of the hang-up was never looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any, Protocol, cast

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

__all__ = ["LastingDriver"]


class _MayLoseTerminal(Protocol):
    def terminal_has_gone(self) -> None:
        """Nothing can be written to the terminal any more; called in the writing thread, once."""
        ...


class LastingDriver(LinuxDriver):
    """Drives a terminal; when it has gone, leaves out what cannot be written and tells the app."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        file: IO[str] | None = self._file
        if file is not None:
            self._file = cast(Any, _Outlet(file, cast(_MayLoseTerminal, app).terminal_has_gone))


class _Outlet:
    """A file whose writes do not fail.

    Args:
        file: Where it writes to.
        on_gone: Called once, with the first write that could not be done.
    """

    def __init__(self, file: IO[str], on_gone: Callable[[], None]) -> None:
        self._file = file
        self._on_gone = on_gone
        self._is_gone = False

    def write(self, text: str) -> int:
        """Write a text, as long as somebody takes it."""
        if not self._is_gone:
            try:
                return self._file.write(text)
            except (OSError, ValueError):  # hung up, or closed
                self._give_up()
        return len(text)

    def flush(self) -> None:
        """Send what was written, as long as somebody takes it."""
        if not self._is_gone:
            try:
                self._file.flush()
            except (OSError, ValueError):
                self._give_up()

    def fileno(self) -> int:
        """Return the file's number."""
        return self._file.fileno()

    def _give_up(self) -> None:
        self._is_gone = True
        self._on_gone()
