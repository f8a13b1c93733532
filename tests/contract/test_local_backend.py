"""The local backend keeps the contract, with a fork per attempt and with a fresh interpreter per attempt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from asyncflow.backends.local import Zygote
from tests.contract.backend_suite import BackendSuite, Bench
from tests.contract.local_bench import forked, local_bench, make_store


@pytest.fixture
def zygote() -> Iterator[Zygote]:
    zygote = forked()
    yield zygote
    zygote.kill()
    zygote.close()


class TestLocalFork(BackendSuite):
    @pytest.fixture
    async def bench(self, zygote: Zygote, tmp_path: Path) -> AsyncIterator[Bench]:
        bench = local_bench(zygote, make_store(tmp_path))
        yield bench
        await bench.aclose()


class TestLocalSpawn(BackendSuite):
    @pytest.fixture
    async def bench(self, zygote: Zygote, tmp_path: Path) -> AsyncIterator[Bench]:
        bench = local_bench(zygote, make_store(tmp_path), isolation="spawn")
        yield bench
        await bench.aclose()

    async def test_many_attempts_at_once_each_end_once(self, bench: Bench) -> None:
        attempts = [await bench.launch("succeed", task) for task in range(1, 5)]
        await bench.until_ended(*attempts)
        assert len(bench.facts) == 8
