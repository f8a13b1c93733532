"""`--notify` posts a run's events to a real server, however that behaves, and the run does not care."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from asyncflow.runtime.notify import without_secrets
from tests.cli.place import Place

FLOW = str(Path(__file__).parent / "flows" / "hooked.py")


class Receiver:
    """Counts what is posted; answers with the next of `answers`, then with 204."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.posts: list[tuple[int, str, list[dict[str, Any]]]] = []

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event for code, _, batch in self.posts if code == 204 for event in batch]

    @contextmanager
    def serving(self) -> Iterator[str]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                code = receiver.answers.pop(0) if receiver.answers else 204
                receiver.posts.append((code, self.headers["Content-Type"], json.loads(body)))
                self.send_response(code)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}/hook?token=s3cret"
            server.shutdown()
            thread.join()


def test_every_event_is_posted_once_and_in_order(tmp_path: Path) -> None:
    receiver = Receiver()
    place = Place(tmp_path)
    with receiver.serving() as url:
        ended = place.run("run", FLOW, "--notify", url)
    assert ended.code == 0, ended.stderr
    assert {kind for _, kind, _ in receiver.posts} == {"application/cloudevents-batch+json; charset=utf-8"}
    events = receiver.events
    assert [int(event["id"]) for event in events] == list(range(len(events)))
    assert (events[0]["type"], events[-1]["type"]) == ("asyncflow.RunCreated", "asyncflow.RunFinished")
    assert events[-1]["data"]["status"] == "succeeded"
    assert {event["specversion"] for event in events} == {"1.0"}
    assert len({event["source"] for event in events}) == 1
    assert events[0]["source"].endswith("/HookedFlow/1")
    assert "time" in events[0]


def test_a_server_that_fails_is_tried_again_and_gets_all(tmp_path: Path) -> None:
    receiver = Receiver(500, 429, 503)
    with receiver.serving() as url:
        ended = Place(tmp_path).run("run", FLOW, "--notify", url)
    assert ended.code == 0
    assert [code for code, _, _ in receiver.posts[:3]] == [500, 429, 503]
    assert receiver.events[-1]["type"] == "asyncflow.RunFinished"
    assert "--notify" not in ended.stderr


def test_a_server_that_refuses_or_is_not_there_costs_a_line_and_nothing_else(tmp_path: Path) -> None:
    receiver = Receiver(*[404] * 100)
    with receiver.serving() as url:
        ended = Place(tmp_path).run("run", FLOW, "--notify", url)
    assert ended.code == 0
    assert "events could not be delivered to --notify: refused with 404" in ended.stderr
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    gone = Place(tmp_path).run("run", FLOW, "--notify", f"http://127.0.0.1:{port}/", "--is_broken", "true")
    assert gone.code == 1
    assert "could not be delivered" in gone.stderr
    assert "refused" in gone.stderr


def test_a_resumed_run_goes_on_where_it_was_told_of(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.run("run", FLOW, "--is_broken", "true").code == 1
    receiver = Receiver()
    with receiver.serving() as url:
        assert place.run("resume", "1", "--notify", url).code == 1
    assert receiver.events[0]["data"]["origin_run"] == 1


def test_the_address_is_a_secret(tmp_path: Path) -> None:
    receiver = Receiver()
    place = Place(tmp_path)
    with receiver.serving() as url:
        assert place.run("run", FLOW, f"--notify={url}").code == 0
    with closing(sqlite3.connect(tmp_path / ".asyncflow" / "asyncflow.db")) as db:
        told = "\n".join(db.iterdump())
    assert "notify" in told
    assert "s3cret" not in told
    assert without_secrets(["run", "--notify", "https://u:p@h/x"]) == ["run", "--notify", "https://h/..."]


@pytest.mark.parametrize("url", ["ftp://host/x", "host/x", "http://", "http://[", "https://host:port/"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    ended = Place(tmp_path).run("run", FLOW, "--notify", url)
    assert ended.code == 2
    assert "no address" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_nobody_is_left(tmp_path: Path) -> None:
    before = {process.pid for process in psutil.process_iter() if "notify_main" in " ".join(_line(process))}
    with Receiver().serving() as url:
        Place(tmp_path).run("run", FLOW, "--notify", url)
    after = {process.pid for process in psutil.process_iter() if "notify_main" in " ".join(_line(process))}
    assert after <= before


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
