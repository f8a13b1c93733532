"""The scheduler's end of the sockets: full buffers, lost peers, descriptors on the way."""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Iterator

import pytest

from asyncflow.backends.local.link import Link
from asyncflow.backends.local.wire import Frames, Note, Said, Verb, frame, note


class Ends:
    """A link and the zygote's ends of its sockets."""

    def __init__(self) -> None:
        control, self.zygote = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        reports, self.child = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        control.setblocking(False)
        reports.setblocking(False)
        self.sockets = [control, reports, self.zygote, self.child]
        self.link = Link(control, reports)


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    for end in ends.sockets:
        end.close()


def test_descriptors_arrive_beside_their_frame(ends: Ends) -> None:
    reader, writer = os.pipe()
    assert ends.link.send(frame(Verb.LAUNCH, 1, b"spec"), (writer,))
    os.close(writer)
    data, ancillary, _, _ = ends.zygote.recvmsg(1000, socket.CMSG_SPACE(4))
    (fd,) = array.array("i", ancillary[0][2])
    os.write(fd, b"through")
    assert os.read(reader, 10) == b"through"
    assert list(Frames().feed(data)) == [(Verb.LAUNCH, 1, b"spec")]
    os.close(fd)
    os.close(reader)


def test_a_frame_longer_than_the_buffer_is_sent_in_parts(ends: Ends) -> None:
    body = os.urandom(3 << 20)
    assert ends.link.send(frame(Verb.LAUNCH, 1, body))
    assert ends.link.is_congested
    frames, found = Frames(), []
    while not found:
        found += frames.feed(ends.zygote.recv(1 << 16))
        ends.link.send_rest()
    assert found == [(Verb.LAUNCH, 1, body)]
    assert not ends.link.is_congested


def test_a_full_socket_takes_nothing_and_says_so(ends: Ends) -> None:
    whole = 0
    while ends.link.send(b"x" * 1000) and not ends.link.is_congested:
        whole += 1
    assert whole > 10
    assert not ends.link.is_lost


def test_notes_are_read_and_a_closed_socket_is_a_dead_zygote(ends: Ends) -> None:
    ends.zygote.sendall(note(Said.STARTED, 77, 1))
    assert list(ends.link.notes()) == [Note(Said.STARTED, 77, 1)]
    assert list(ends.link.notes()) == []
    assert not ends.link.is_lost
    ends.zygote.close()
    assert list(ends.link.notes()) == []
    assert ends.link.is_lost


def test_sending_to_a_dead_zygote_is_no_error(ends: Ends) -> None:
    ends.zygote.close()
    assert ends.link.send(frame(Verb.STOP, 1))
    assert ends.link.is_lost


def test_every_report_that_has_arrived_is_read(ends: Ends) -> None:
    for number in range(20):
        ends.child.send(b"report %d" % number)
    assert list(ends.link.reports()) == [b"report %d" % number for number in range(20)]
    assert list(ends.link.reports()) == []
