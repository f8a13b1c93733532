"""A worker starts where there is nothing but Python."""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from blake3 import blake3

from asyncflow.store.package.archive import Member, write_part
from asyncflow.store.package.build import build_package
from asyncflow.store.package.upload import upload_package
from asyncflow.store.s3.address import parse_url
from asyncflow.store.s3.aio import S3Objects
from asyncflow.worker.bootstrap import EXIT_NOT_FETCHED, EXIT_NOT_STARTABLE
from asyncflow.worker.container import bootstrap_command
from tests.integration.container.images import (
    bare_python,
    old_pythons,
    other_pythons,
    probing_package,
    start,
    told,
)
from tests.services import moto
from tests.services.faults import CUT_BODY, DENIED, SLOW_DOWN, Proxy

pytestmark = pytest.mark.slow

_DIGEST = blake3(b"abc" * 100_000).hexdigest(length=20)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter with no package installed."""
    return bare_python(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Path and digest of a package whose worker tells what it finds."""
    path = tmp_path_factory.mktemp("package") / "package"
    return str(path), probing_package(path)


@pytest.fixture
def served(package: tuple[str, str]) -> Iterator[str]:
    """The package's address over HTTP."""
    handler = functools.partial(_Quiet, directory=os.path.dirname(package[0]))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/package?signature=SECRET"
        server.shutdown()
        thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def put(aws: str, bucket: str, path: str) -> str:
    made = moto.client(aws)
    made.put_object(Bucket=bucket, Key="code/pack age", Body=Path(path).read_bytes())
    made.close()
    return f"s3://{bucket}/code/pack age"


def test_everything_a_worker_needs_is_brought(package: tuple[str, str], python: str) -> None:
    done = start(*package, python=python)

    found = told(done)
    assert found["argv"] == ["s3://bucket/spec"]
    assert found["cwd"] == found["root"]
    assert found["digest"] == _DIGEST
    assert found["back"]
    assert found["compiled"] == ["zstandard.backend_c", "msgpack._cmsgpack"]
    assert all(place.startswith(found["root"]) for place in found["from"].values())
    assert done.stderr.splitlines() == [
        "Setting up task environment.",
        "Downloading code package...",
        "Code package downloaded.",
        "Task is starting.",
    ]
    assert not os.path.exists(found["root"])  # it cleans up after itself


def test_without_compiled_modules_it_does_the_same(tmp_path: Path, python: str) -> None:
    digest = probing_package(tmp_path / "package", keeps=lambda name: "/native/" not in name)

    found = told(start(str(tmp_path / "package"), digest, python=python))

    assert found["digest"] == _DIGEST
    assert found["back"]
    assert found["compiled"] == []
    assert found["hasher"] == "asyncflow.store.plain_blake3"


@pytest.mark.parametrize("other", other_pythons())
def test_an_image_may_have_another_python(package: tuple[str, str], other: str) -> None:
    found = told(start(*package, python=other))

    assert found["digest"] == _DIGEST
    assert found["back"]


@pytest.mark.parametrize("old", old_pythons())
def test_a_python_too_old_is_told_of(package: tuple[str, str], old: str) -> None:
    done = start(*package, python=old)

    assert done.returncode == EXIT_NOT_STARTABLE
    assert done.stderr.startswith("asyncflow: this image has Python 3.")
    assert done.stderr.endswith(", and asyncflow needs 3.11 or newer\n")


def test_an_images_own_packages_win_unless_they_are_too_old(package: tuple[str, str], tmp_path: Path) -> None:
    image = bare_python(tmp_path / "image")
    (site,) = (tmp_path / "image" / "lib").glob("python3*/site-packages")
    (site / "six.py").write_text("is_the_images = True\n")
    (site / "six-1.0.dist-info").mkdir()
    (site / "msgpack").mkdir()
    (site / "msgpack" / "__init__.py").write_text("raise SystemExit('too old')\n")
    (site / "msgpack-0.5.6.dist-info").mkdir()

    found = told(start(*package, python=image))

    assert found["from"]["msgpack"].startswith(found["root"])


@pytest.mark.parametrize("scheme", ["s3", "http", "file"])
def test_a_package_may_lie_anywhere(
    package: tuple[str, str], python: str, served: str, aws: str, bucket: str, scheme: str
) -> None:
    urls = {"s3": put(aws, bucket, package[0]), "http": served, "file": f"file://{package[0]}"}

    assert told(start(urls[scheme], package[1], python=python, environment=moto.environment(aws)))["back"]


@pytest.mark.parametrize("fault", [SLOW_DOWN, CUT_BODY])
def test_what_passes_is_tried_again(
    package: tuple[str, str], python: str, proxy: Proxy, aws: str, bucket: str, fault: str
) -> None:
    url = put(aws, bucket, package[0])
    ordered = proxy.order(fault, "^GET .*/code/")

    found = told(start(url, package[1], python=python, environment=moto.environment(proxy.endpoint)))

    assert found["back"]
    assert ordered.fired == 1


def test_what_does_not_pass_is_told_in_one_line(
    package: tuple[str, str], python: str, proxy: Proxy, aws: str, bucket: str
) -> None:
    url, environment = put(aws, bucket, package[0]), moto.environment(proxy.endpoint)
    missing = start(f"s3://{bucket}/nothing", package[1], python=python, environment=environment)
    ordered = proxy.order(DENIED, "^GET .*/code/", times=None)
    denied = start(url, package[1], python=python, environment=environment)

    assert missing.returncode == denied.returncode == EXIT_NOT_FETCHED
    last = [done.stderr.splitlines()[-1] for done in (missing, denied)]
    assert last == [
        f"asyncflow: the code package s3://{bucket}/nothing could not be got: HTTP 404 NoSuchKey",
        f"asyncflow: the code package {url} could not be got: HTTP 403 AccessDenied",
    ]
    assert ordered.fired == 1  # no second try


def test_a_package_that_is_another_one_is_not_run(package: tuple[str, str], python: str, served: str) -> None:
    done = start(served, "0" * 64, python=python)

    assert done.returncode == EXIT_NOT_FETCHED
    assert f"it has the SHA-256 {package[1]} instead of {'0' * 64} (2 tries)" in done.stderr
    assert "SECRET" not in done.stderr


def test_without_credentials_it_says_so(
    package: tuple[str, str], python: str, aws: str, tmp_path: Path
) -> None:
    environment = {
        "AWS_EC2_METADATA_DISABLED": "true",
        "ASYNCFLOW_S3_ENDPOINT_URL": aws,
        "HOME": str(tmp_path),
    }

    done = start("s3://bucket/key", package[1], python=python, environment=environment)

    assert done.returncode == EXIT_NOT_FETCHED
    assert "there are no AWS credentials in this container" in done.stderr


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../outside", "a//b", "."])
def test_no_file_leads_outside(python: str, tmp_path: Path, name: str) -> None:
    pieces: list[bytes] = []
    write_part(pieces.append, [Member(name, b"bad")], is_last=True)
    (tmp_path / "package").write_bytes(b"".join(pieces))
    digest = hashlib.sha256(b"".join(pieces)).hexdigest()

    done = start(str(tmp_path / "package"), digest, python=python, environment={"TMPDIR": str(tmp_path)})

    assert done.returncode == EXIT_NOT_FETCHED
    assert "no file of a package" in done.stderr
    assert not list(tmp_path.rglob("*outside*"))


async def test_a_package_is_uploaded_once(proxy: Proxy, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text("")
    package = build_package(str(tmp_path / "flow.py"), directory=str(tmp_path / "cache"))
    async with S3Objects(parse_url(f"s3://{bucket}/store")) as objects:
        first = await upload_package(objects, package)
        second = await upload_package(objects, package)

    assert first == (f"s3://{bucket}/store/code/{package.digest}", True)
    assert second == (first.url, False)
    assert [request.split()[0] for request in proxy.requests] == ["HEAD", "PUT", "HEAD"]


def test_the_command_fits_into_a_batch_job_and_has_nothing_that_is_replaced() -> None:
    command = bootstrap_command("s3://bucket/code/x", "0" * 64, "s3://bucket/spec")

    assert sum(map(len, command)) < 6_000  # Batch takes 8,192 for all that a job overrides
    assert "$" not in command[2]
    assert "Ref::" not in command[2]
