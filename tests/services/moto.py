"""A moto server in a process of its own, over HTTP: AWS for tests, with the Batch of `batch/` in it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

from tests.services import needed

KEYS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",  # a test server's
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_START_S = 60
_making = threading.Lock()
_keys: dict[str, tuple[str, str]] = {}
_ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def moto_server() -> Iterator[str]:
    """Start a server, give its address, and end it."""
    port = free_port()
    command = [sys.executable, "-m", "tests.services.batch.server", "--with-parent", "-p", str(port)]
    given = {**os.environ, **(needed.environment("docker") or {})}
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, cwd=_ROOT, env=given, stdin=subprocess.PIPE, stdout=said, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            _wait(process, port, said)
            yield f"http://127.0.0.1:{port}"
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server; on SIGTERM it ends the jobs that it runs."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()


def _wait(process: subprocess.Popen[bytes], port: int, said: IO[bytes]) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            said.seek(0)
            raise RuntimeError(f"moto did not start: {said.read().decode()[-2000:]}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("moto did not listen in time")


def client(endpoint: str, **more: Any) -> Any:  # Any: a botocore client
    """Return a client of botocore's own, to look at what ours wrote. Its keys are those of the server."""
    from botocore.config import Config

    key, secret = _keys.get(endpoint, ("testing", "testing"))
    given = {
        "aws_access_key_id": key,
        "aws_secret_access_key": secret,
        "region_name": "us-east-1",
        "config": Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        **more,
    }
    with _making:
        return _session().create_client("s3", endpoint_url=endpoint, **given)


@cache
def _session() -> Any:  # Any: as above
    """Return what makes clients: it has read the description of S3, which takes 0.1 s."""
    import botocore.session

    return botocore.session.Session()


def know_keys(endpoint: str, key: str, secret: str) -> None:
    """Let `client` and `make_bucket` use a server that looks at keys."""
    _keys[endpoint] = (key, secret)


def make_bucket(endpoint: str) -> str:
    """Make a bucket nobody has used; return its name."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    made = client(endpoint)
    made.create_bucket(Bucket=name)
    made.close()
    return name


def environment(endpoint: str) -> dict[str, str]:
    """Return the environment of a process that is to use the server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, **keys_of(endpoint), "ASYNCFLOW_S3_ENDPOINT_URL": endpoint}


def keys_of(endpoint: str) -> dict[str, str]:
    """Return the variables that say how one signs in at the server."""
    key, secret = _keys.get(endpoint, ("testing", "testing"))
    return {**KEYS, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
