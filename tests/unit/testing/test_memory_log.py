"""The log in memory keeps what the real one keeps."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from asyncflow.events.protocol import EventLog
from asyncflow.testing import MemoryLog
from tests.unit.events.event_log_suite import EventLogSuite, OpenLog


@asynccontextmanager
async def _open() -> AsyncGenerator[EventLog]:
    yield MemoryLog()


class TestMemoryLog(EventLogSuite):
    @pytest.fixture
    def opened(self) -> OpenLog:
        def opened() -> AbstractAsyncContextManager[EventLog]:
            return _open()

        return opened
