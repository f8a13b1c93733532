"""The scheduler's end of the sockets to its zygote: sends what fits, reads all there is, waits for nothing."""

from __future__ import annotations

import errno
import socket
from array import array
from collections.abc import Iterator, Sequence

from asyncflow.backends.local.wire import Note, Notes

__all__ = ["Link"]

_RECEIVE_BYTES = 1 << 16
_REPORT_BYTES = 1 << 21
_TRY_LATER = (errno.EAGAIN, errno.ENOBUFS, errno.ETOOMANYREFS)


class Link:
    """Both sockets of one zygote, non-blocking.

    Args:
        control: Stream socket: frames to the zygote, notes from it.
        reports: Datagram socket: one report of a task in each message.
    """

    def __init__(self, control: socket.socket, reports: socket.socket) -> None:
        self._control = control
        self._reports = reports
        self._notes = Notes()
        self._unsent = memoryview(b"")
        self.is_lost = False
        """The zygote is dead."""

    def fileno(self) -> int:
        """Return the control socket's descriptor."""
        return self._control.fileno()

    @property
    def is_congested(self) -> bool:
        """Whether a part of a frame waits for the socket to take more; nothing else may be sent before."""
        return bool(self._unsent)

    def send(self, data: bytes, descriptors: Sequence[int] = ()) -> bool:
        """Send a frame as far as the socket takes it at once; False: it takes nothing now.

        The descriptors may be closed afterwards. To a dead zygote everything is sent, and nothing arrives.
        """
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))] if descriptors else []
        try:
            sent = self._control.sendmsg([data], rights)
        except ConnectionError:
            self.is_lost = True
            return True
        except OSError as error:
            if error.errno in _TRY_LATER:
                return False
            raise
        self._unsent = memoryview(data)[sent:]
        return True

    def send_rest(self) -> None:
        """Go on with a frame that was not taken whole."""
        try:
            self._unsent = self._unsent[self._control.send(self._unsent) :]
        except BlockingIOError:
            return
        except ConnectionError:
            self._unsent = memoryview(b"")
            self.is_lost = True

    def notes(self) -> Iterator[Note]:
        """Yield what the zygote has told since; finds out whether it is dead."""
        try:
            data = self._control.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return iter(())
        except ConnectionError:
            data = b""
        if not data:
            self.is_lost = True
            return iter(())
        return self._notes.feed(data)

    def reports(self) -> Iterator[bytes]:
        """Yield the reports that have arrived."""
        while True:
            try:
                data = self._reports.recv(_REPORT_BYTES)
            except (BlockingIOError, ConnectionError):
                return
            yield data
