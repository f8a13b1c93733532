"""What tests order over HTTP, below `/_batch/`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from tests.services.batch.engine import Engine
from tests.services.batch.faults import Faults, Wsgi
from tests.services.batch.shapes import Json

PREFIX = "/_batch/"


class Admin:
    """Wraps a WSGI application; what is below the prefix it answers itself."""

    def __init__(self, engine: Engine, faults: Faults) -> None:
        self._engine = engine
        self._faults = faults
        self._inner: Wsgi = faults
        self._does: dict[str, Callable[[Json], Any]] = {
            "POST faults": self._add_fault,
            "POST orders": self._add_order,
            "GET fired": self._fired,
            "POST heal": self._heal,
            "POST strike": self._strike,
            "GET calls": lambda _: faults.calls(),
            "DELETE calls": lambda _: faults.forget(),
            "POST queues": self._queue,
            "POST pace": self._pace,
            "POST reset": self._reset,
        }

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer, or let the application answer."""
        path = environ.get("PATH_INFO", "")
        if not path.startswith(PREFIX):
            return self._inner(environ, start_response)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        asked = json.loads(environ["wsgi.input"].read(length) or b"{}")
        do = self._does.get(f"{environ['REQUEST_METHOD']} {path.removeprefix(PREFIX)}")
        try:
            status, told = ("404 Not Found", None) if do is None else ("200 OK", do(asked))
        except Exception as error:  # the test that asked is told
            status, told = "400 Bad Request", repr(error)
        body = json.dumps(told).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _add_fault(self, asked: Json) -> str:
        return f"fault-{self._faults.add(**asked).number}"

    def _add_order(self, asked: Json) -> str:
        with self._engine.lock:
            return f"order-{self._engine.orders.add(**asked).number}"

    def _fired(self, _: Json) -> dict[str, int]:
        with self._engine.lock:
            orders = self._engine.orders.fired()
        return {
            **{f"fault-{number}": fired for number, fired in self._faults.fired().items()},
            **{f"order-{number}": fired for number, fired in orders.items()},
        }

    def _heal(self, _: Json) -> None:
        self._faults.clear()
        self._engine.heal()

    def _strike(self, asked: Json) -> bool:
        return self._engine.strike(self._engine.jobs[asked["job"]], asked["kind"])

    def _queue(self, asked: Json) -> None:
        self._engine.run_jobs_of(asked["arn"], asked["runs"])

    def _pace(self, asked: Json) -> None:
        with self._engine.lock:
            for name, value in asked.items():
                if not hasattr(self._engine.pace, name):
                    raise ValueError(f"no such pace: {name}")
                setattr(self._engine.pace, name, float(value))

    def _reset(self, _: Json) -> None:
        self._faults.clear()
        self._faults.forget()
        self._engine.reset()
