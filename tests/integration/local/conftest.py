"""A bench whose flow is `nasty.py`."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from asyncflow.backends.local import Zygote
from tests.contract.backend_suite import Bench
from tests.contract.local_bench import forked, local_bench, make_store
from tests.integration.local.support import NASTY, is_alive, pids_in


@pytest.fixture
def root(tmp_path: Path) -> str:
    return make_store(tmp_path)


@pytest.fixture
def zygote() -> Iterator[Zygote]:
    zygote = forked(NASTY)
    yield zygote
    zygote.kill()
    zygote.close()


@pytest.fixture
async def bench(zygote: Zygote, root: str) -> AsyncIterator[Bench]:
    bench = local_bench(zygote, root, environment={"tell_environment": {"FROM_DECORATOR": "as told"}})
    yield bench
    await bench.aclose()
    # Here the scheduler is pytest, which is no subreaper: a daemon without marks is known to the test alone.
    printed = b"".join(text for _, stream, text in bench.sink.taken if stream == "stdout")
    for pid in filter(is_alive, pids_in(printed)):
        os.kill(pid, signal.SIGKILL)
