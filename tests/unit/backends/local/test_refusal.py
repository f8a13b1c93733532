"""A zygote that cannot fork, played by the test on the other end of the sockets."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from asyncflow.backends.local import Zygote
from asyncflow.backends.local.wire import Said, note
from asyncflow.machine.facts import WorkerLost
from tests.contract.local_bench import local_bench, make_store


async def test_a_fork_that_is_refused_is_a_lost_attempt_with_its_reason(tmp_path: Path) -> None:
    zygote = Zygote(flow_file="f.py", flow_name="F", attached=b"", is_subreaper=False, strangers=frozenset())
    control, reports = zygote.connect()
    bench = local_bench(zygote, make_store(tmp_path))
    attempt = await bench.launch("succeed")
    _, descriptors, _, _ = socket.recv_fds(control, 10_000, 4)
    control.sendall(note(Said.REFUSED, errno.EAGAIN, 1))
    (lost,) = await bench.until_ended(attempt)
    assert isinstance(lost, WorkerLost)
    assert "too many processes" in lost.reason
    assert lost.exit_code is None
    for fd in descriptors:
        os.close(fd)
    control.close()
    reports.close()
    await bench.aclose()
