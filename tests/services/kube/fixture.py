"""The server for pytest: one process a session and mode, a fresh namespace a test.

A test's conftest imports what it needs: `from tests.services.kube.fixture import kube, kube_server  # noqa: F401`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.services.kube.faults import Faults

ROOT = Path(__file__).resolve().parents[3]
_END_S = 10.0
_OPENAPI_V3 = (1, 29)
"""The first kubectl that asks for it; older ones want an OpenAPI that the server does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that runs."""

    url: str
    faults: Faults
    pid: int
    ca_file: Path | None = None

    def kubeconfig(self, path: Path, namespace: str = "default", token: str = "") -> Path:
        """Write a kubeconfig; return its path."""
        cluster: dict[str, Any] = {"server": self.url}
        if self.ca_file is not None:
            cluster["certificate-authority"] = str(self.ca_file)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "tester", "user": {"token": token} if token else {}}],
            "contexts": [
                {"name": "test", "context": {"cluster": "test", "user": "tester", "namespace": namespace}}
            ],
            "current-context": "test",
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(config))
        return path

    def make_namespace(self, name: str, token: str = "") -> None:
        """Make a namespace."""
        import ssl
        import urllib.request

        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        body = json.dumps({"metadata": {"name": name}}).encode()
        request = urllib.request.Request(f"{self.url}/api/v1/namespaces", body, headers, method="POST")
        context = ssl.create_default_context(cafile=str(self.ca_file)) if self.ca_file else None
        urllib.request.urlopen(request, timeout=10, context=context).close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kube:
    """A namespace of a server, for one test."""

    server: Server
    namespace: str
    config: Path
    """A kubeconfig whose current context is the namespace."""

    @property
    def url(self) -> str:
        """The server's address."""
        return self.server.url

    @property
    def faults(self) -> Faults:
        """The hand on the server."""
        return self.server.faults.within(self.namespace)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Any]:  # Any: an ApiClient of kubernetes-asyncio
        """Give a client of kubernetes-asyncio, configured by the kubeconfig."""
        from kubernetes_asyncio import config

        api = await config.new_client_from_config(str(self.config), persist_config=False)
        try:
            yield api
        finally:
            await api.close()

    def kubectl(self, *arguments: str, stdin: str = "", check: bool = True, timeout: float = 30) -> str:
        """Run kubectl; return what it wrote.

        Raises:
            AssertionError: It failed, and `check` is set.
        """
        command = ["kubectl", f"--kubeconfig={self.config}", *arguments]
        if arguments[0] in ("create", "apply") and kubectl_version() < _OPENAPI_V3:
            command.append("--validate=false")
        env = {**os.environ, "HOME": str(self.config.parent)}
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, env=env)
        if check:
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + ("" if check else done.stderr)


@contextmanager
def serve(
    *arguments: str, ca_file: Path | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Start a server with these arguments, and end it with all its pods; `environment` adds to this process's."""
    command = [sys.executable, "-m", "tests.services.kube", "--port", "0", "--with-parent", *arguments]
    env = {**os.environ, **(environment or {})}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError("the Kubernetes test server did not start; its error is above")
        faults = Faults(url, str(ca_file) if ca_file else None)
        yield Server(url=url, faults=faults, pid=process.pid, ca_file=ca_file)
    finally:
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def fresh_namespace(server: Server, folder: Path, token: str = "") -> Iterator[Kube]:
    """Give a namespace nobody has used; what was ordered of the server is taken back in the end."""
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    server.faults.clear()
    server.make_namespace(namespace, token)
    server.faults.forget_calls()
    config = server.kubeconfig(folder / "kubeconfig", namespace, token)
    try:
        yield Kube(server=server, namespace=namespace, config=config)
    finally:
        server.faults.clear()


def kubectl_version() -> tuple[int, int]:
    """Return kubectl's version; (0, 0) if there is none."""
    try:
        command = ["kubectl", "version", "--client", "-o", "json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except FileNotFoundError:
        return 0, 0
    found = re.search(r'"gitVersion": "v(\d+)\.(\d+)', done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


@pytest.fixture(scope="session")
def kube_server() -> Iterator[Server]:
    """A server whose pods are processes, one a session."""
    with serve("--mode", "process") as server:
        yield server


@pytest.fixture(scope="session")
def kube_noop_server() -> Iterator[Server]:
    """A server whose pods do nothing, one a session."""
    with serve("--mode", "noop") as server:
        yield server


@pytest.fixture
def kube(kube_server: Server, tmp_path: Path) -> Iterator[Kube]:
    """A fresh namespace where pods are processes."""
    with fresh_namespace(kube_server, tmp_path / "kube") as given:
        yield given


@pytest.fixture
def kube_noop(kube_noop_server: Server, tmp_path: Path) -> Iterator[Kube]:
    """A fresh namespace where pods do nothing."""
    with fresh_namespace(kube_noop_server, tmp_path / "kube-noop") as given:
        yield given
