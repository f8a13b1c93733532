"""Which way requests to the API server take: the environment's proxy, and no passwords of other programs' files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from asyncflow.backends.kubernetes.api import Api
from asyncflow.backends.kubernetes.connecting import Access
from tests.services.kube.fixture import Kube

NOWHERE = "http://cluster.test:6443"
"""A server that only a proxy finds."""
CONFIG = """
apiVersion: v1
kind: Config
current-context: it
clusters: [{{name: it, cluster: {{server: "{server}"}}}}]
users: [{{name: me, user: {{}}}}]
contexts: [{{name: it, context: {{cluster: it, user: me, namespace: default}}}}]
"""


class Gate(HTTPServer):
    """A proxy that answers everything itself, and writes down what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.asked: list[tuple[str, str | None]] = []
        """Address and `Authorization`."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: Gate

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        data = b'{"major": "1"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """A proxy that the environment names."""
    for name in ("HTTP_PROXY", "NO_PROXY", "no_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Gate() as gate:
        thread = threading.Thread(target=gate.serve_forever, args=(0.05,))
        thread.start()
        monkeypatch.setenv("http_proxy", gate.url)
        yield gate
        gate.shutdown()
        thread.join()


def config(folder: Path, server: str) -> str:
    path = folder / "config"
    path.write_text(CONFIG.format(server=server))
    return str(path)


async def test_the_environments_proxy_is_used(gate: Gate, tmp_path: Path) -> None:
    async with Api(Access(kubeconfig=config(tmp_path, NOWHERE))) as api:
        told = [await api.get("/version") for _ in range(2)]

    assert told == [{"major": "1"}] * 2
    assert [address for address, _ in gate.asked] == [f"{NOWHERE}/version"] * 2


async def test_a_server_that_is_excepted_is_asked_itself(
    kube: Kube, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    async with Api(Access(kubeconfig=str(kube.config))) as api:
        assert (await api.get("/version"))["gitVersion"]

    assert gate.asked == []


async def test_passwords_of_other_programs_are_not_sent(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine cluster.test login me password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    async with Api(Access(kubeconfig=config(tmp_path, NOWHERE))) as api:
        await api.get("/version")

    assert gate.asked == [(f"{NOWHERE}/version", None)]
