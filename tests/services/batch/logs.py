"""Jobs' output on its way to CloudWatch Logs, while they run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.services.batch.jobs import now_ms

if TYPE_CHECKING:
    from tests.services.batch.jobs import Job

GROUP = "/aws/batch/job"
_LOCK = threading.Lock()  # moto's streams are not made for many threads


class LogStream:
    """The stream of one container; it is there from the first line on, as with the real driver."""

    def __init__(self, job: Job, task: str) -> None:
        options = job.shape.log_options
        prefix = options.get("awslogs-stream-prefix") or job.definition.name
        self.group = options.get("awslogs-group") or GROUP
        self.stream = f"{prefix}/default/{task}"
        self._backend = job.backend.logs_backend
        self._driver = job.shape.container.get("logConfiguration", {}).get("logDriver", "awslogs")
        self._is_open = False

    def line(self, text: str) -> None:
        """Put a line. An empty one is not an event for CloudWatch."""
        if self._driver != "awslogs" or not text:
            return
        with _LOCK:
            if not self._is_open:
                self._backend.ensure_log_group(self.group)
                self._backend.ensure_log_stream(self.group, self.stream)
                self._is_open = True
            event = {"timestamp": now_ms(), "message": text}
            self._backend.put_log_events(self.group, self.stream, [event])

    def close(self) -> None:
        """Nothing follows."""
        self._driver = "none"
