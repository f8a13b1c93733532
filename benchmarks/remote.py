"""A store in a bucket: transfers against a bare aiobotocore, how soon another machine sees a large run, code packages.

python -m benchmarks.remote transfer [MB]      1,000 MB by default
python -m benchmarks.remote history [TASKS]    10,000 by default: runs them, then opens the run with an empty cache
python -m benchmarks.remote package [FILES]    200 by default: packs a project and sends it, then once more, unchanged

The server is what ASYNCFLOW_S3_ENDPOINT_URL and AWS_* name, else the radosgw of `make services`. A bucket is made, and
emptied in the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asyncflow.store.package.build import Package, build_package
from asyncflow.store.package.upload import upload_package
from asyncflow.store.s3.address import parse_url
from asyncflow.store.s3.aio import S3Objects
from asyncflow.store.s3.blocking import BlockingObjects
from asyncflow.store.s3.requests import PART_BYTES, PARTS_AT_ONCE

__all__ = ["history", "transfer"]

_ROOT = Path(__file__).resolve().parents[1]
_ROUNDS = 3
_KILOBYTE = 1 if sys.platform == "darwin" else 1024  # unit of ru_maxrss
_MEGABYTE = 1 << 20
_FIRST_SCREEN = """
import time
began = time.perf_counter()
from asyncflow.client.reading import open_log
from asyncflow.store.home import find_home
with open_log(find_home()) as log:
    runs = log.runs()
    listed = time.perf_counter() - began
    run = log.run(runs[0].run)
    steps = log.steps(run.run)
    tasks = log.tasks(run.run)
    import json
    print(json.dumps([listed, time.perf_counter() - began, len(tasks)]))
"""
"""What the history browser asks for: the list of runs, then one run's steps and tasks."""


# Transfers


def transfer(megabytes: int) -> None:
    """Send a file and fetch it, ours and bare in turn; print seconds, share and memory."""
    with tempfile.TemporaryDirectory() as directory, _bucket() as bucket:
        path = f"{directory}/blob"
        with open(path, "wb") as file:
            for _ in range(megabytes):
                file.write(os.urandom(_MEGABYTE))
        told: dict[str, list[tuple[float, int]]] = {}
        for _ in range(_ROUNDS):
            for stage in _STAGES:
                told.setdefault(stage, []).append(_in_process(stage, path, f"s3://{bucket}/bench"))
        _print_transfer(told, megabytes)
        _print_artifact(bucket, directory, megabytes)


def _in_process(stage: str, path: str, url: str) -> tuple[float, int]:
    """Run one stage in a process of its own; return seconds and what it grew by."""
    command = [sys.executable, "-m", "benchmarks.remote", "--stage", stage, path, url]
    done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True)
    seconds, grown = json.loads(done.stdout)
    return float(seconds), int(grown)


def _print_transfer(told: dict[str, list[tuple[float, int]]], megabytes: int) -> None:
    for way in ("up", "down"):
        bare = statistics.median(seconds for seconds, _ in told[f"bare {way}"])
        for who in ("ours", "workers", "bare"):
            seconds = statistics.median(seconds for seconds, _ in told[f"{who} {way}"])
            grown = max(grown for _, grown in told[f"{who} {way}"])
            sys.stdout.write(
                f"{way:5}{who:8} {seconds:6.2f} s  {megabytes / seconds:6.0f} MB/s  {bare / seconds:5.0%} of bare  "
                f"memory +{grown / _MEGABYTE:.0f} MB\n"
            )


async def _ours_up(path: str, url: str) -> None:
    async with S3Objects(parse_url(url)) as objects:
        await objects.put_file("blob", path)


async def _ours_down(path: str, url: str) -> None:
    async with S3Objects(parse_url(url)) as objects:
        await objects.get_file("blob", f"{path}.back")


async def _workers_up(path: str, url: str) -> None:
    with BlockingObjects(parse_url(url)) as objects:
        await asyncio.to_thread(objects.put_file, "blob", path)


async def _workers_down(path: str, url: str) -> None:
    with BlockingObjects(parse_url(url)) as objects:
        await asyncio.to_thread(objects.get_file, "blob", f"{path}.back")


async def _bare_up(path: str, url: str) -> None:
    place, limit = _place(url), asyncio.Semaphore(PARTS_AT_ONCE)
    async with _bare_client() as client:
        upload = {**place, "UploadId": (await client.create_multipart_upload(**place))["UploadId"]}

        async def send(number: int) -> dict[str, Any]:  # Any: as botocore takes it
            async with limit:
                data = await asyncio.to_thread(_read_part, path, number)
                answer = await client.upload_part(**upload, PartNumber=number + 1, Body=data)
            return {"PartNumber": number + 1, "ETag": answer["ETag"]}

        parts = await asyncio.gather(*map(send, range(-(-_size(path) // PART_BYTES))))
        await client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})


async def _bare_down(path: str, url: str) -> None:
    place, limit = _place(url), asyncio.Semaphore(PARTS_AT_ONCE)
    size = _size(path)
    fd = os.open(f"{path}.back", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    async with _bare_client() as client:

        async def fetch(offset: int) -> None:
            async with limit:
                answer = await client.get_object(**place, Range=f"bytes={offset}-{offset + PART_BYTES - 1}")
                async with answer["Body"] as body:
                    data = await body.read()
                await asyncio.to_thread(os.pwrite, fd, data, offset)

        await asyncio.gather(*map(fetch, range(0, size, PART_BYTES)))
    os.close(fd)


def _place(url: str) -> dict[str, str]:
    address = parse_url(url)
    bucket, _, prefix = address.url.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": f"{prefix}/blob"}


def _bare_client() -> Any:  # Any: aiobotocore's context
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    return get_session().create_client(
        "s3",
        endpoint_url=os.environ["ASYNCFLOW_S3_ENDPOINT_URL"],
        config=AioConfig(s3={"addressing_style": "path"}, max_pool_connections=32),
    )


def _size(path: str) -> int:
    return os.path.getsize(path)


def _read_part(path: str, number: int) -> bytes:
    with open(path, "rb") as file:
        file.seek(number * PART_BYTES)
        return file.read(PART_BYTES)


_STAGES: dict[str, Callable[[str, str], Awaitable[None]]] = {
    "ours up": _ours_up,
    "bare up": _bare_up,
    "workers up": _workers_up,
    "ours down": _ours_down,
    "bare down": _bare_down,
    "workers down": _workers_down,
}


def _stage(name: str, path: str, url: str) -> None:
    """Run one stage; print seconds, and by how much the process grew beyond what it is when it does nothing."""
    import aiobotocore.session  # noqa: F401 - imports are not what is measured
    import botocore.session  # noqa: F401

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    asyncio.run(_awaited(_STAGES[name](path, url)))
    seconds = time.perf_counter() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sys.stdout.write(json.dumps([seconds, grown * _KILOBYTE]))


async def _awaited(work: Awaitable[None]) -> None:
    await work


# Whole artifacts


_ARTIFACT = """
import json, resource, sys, time
import numpy
from asyncflow.store.fetching import fetch_blob
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import ArtifactRecord
from asyncflow.store.replica import make_replica
from asyncflow.store.s3.blocking import BlockingObjects
from asyncflow.store.package.build import Package, build_package
from asyncflow.store.package.upload import upload_package
from asyncflow.store.s3.address import parse_url
from asyncflow.store.s3.keys import blob_key
from asyncflow.store.layout import blob_path
url, megabytes, record = sys.argv[1], int(sys.argv[2]), sys.argv[3]
root = make_replica(url)
store = LocalStore(root)
if record == "-":
    array = numpy.random.default_rng(0).integers(0, 256, megabytes << 20, dtype="uint8")
    began = time.perf_counter()
    made = store.dump(array, name="array")
    BlockingObjects(parse_url(url)).put_file(blob_key(made.digest), blob_path(root, made.digest), only_new=True)
    print(json.dumps([time.perf_counter() - began, list(made)]))
else:
    began = time.perf_counter()
    array = store.load(ArtifactRecord(*json.loads(record)), name="array")
    total = int(array[:: 1 << 20].sum())
    print(json.dumps([time.perf_counter() - began, total]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def _print_artifact(bucket: str, directory: str, megabytes: int) -> None:
    """Dump an array, send it, load it on another machine; print seconds and memory beyond the array's own."""
    url, record = f"s3://{bucket}/artifact", "-"
    for machine, what in (("a", "dump and send"), ("b", "fetch and load")):
        env = {**os.environ, "ASYNCFLOW_CACHE_DIR": f"{directory}/{machine}"}
        command = [sys.executable, "-c", _ARTIFACT, url, str(megabytes), record]
        done = subprocess.run(command, cwd=_ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True)
        told, peak = done.stdout.splitlines()
        seconds, more = json.loads(told)
        record = json.dumps(more) if record == "-" else record
        over = int(peak) * _KILOBYTE / _MEGABYTE - megabytes
        sys.stdout.write(f"artifact, {what}: {seconds:.2f} s, peak memory {over:+.0f} MB beside the array\n")


# A large run, seen from another machine


def history(tasks: int) -> None:
    """Run that many tasks into the bucket, then open the run with an empty cache; print seconds."""
    with tempfile.TemporaryDirectory() as directory, _bucket() as bucket:
        env = {**os.environ, "ASYNCFLOW_STORE": f"s3://{bucket}/bench"}
        flow = str(_ROOT / "benchmarks" / "flows" / "foreach.py")
        run = [sys.executable, "-m", "asyncflow", "run", flow, "--width", str(tasks)]
        began = time.perf_counter()
        here = {**env, "ASYNCFLOW_CACHE_DIR": f"{directory}/a"}
        subprocess.run(run, cwd=directory, env=here, stdout=subprocess.DEVNULL, check=True)
        sys.stdout.write(f"run of {tasks:,} tasks: {time.perf_counter() - began:.1f} s\n")
        for number in range(_ROUNDS):
            there = {**env, "ASYNCFLOW_CACHE_DIR": f"{directory}/b{number}"}
            began = time.perf_counter()
            look = [sys.executable, "-c", _FIRST_SCREEN]
            done = subprocess.run(
                look, cwd=directory, env=there, stdout=subprocess.PIPE, text=True, check=True
            )
            listed, opened, count = json.loads(done.stdout)
            sys.stdout.write(
                f"elsewhere: list after {listed:.2f} s, run of {count:,} tasks after {opened:.2f} s, "
                f"{time.perf_counter() - began:.2f} s with the start of the interpreter\n"
            )


# Code packages


def package(files: int) -> None:
    """Pack a project of so many files and send it, again with nothing changed, and with one; print seconds."""
    with tempfile.TemporaryDirectory() as directory, _bucket() as bucket:
        cache = f"{directory}/cache"
        _pack("what asyncflow brings, once for each release", _project(f"{directory}/tiny", 0), bucket, cache)
        for number in range(_ROUNDS):
            flow = _project(f"{directory}/project{number}", files)
            _pack(f"a project of {files} files", flow, bucket, cache)
            _pack("unchanged", flow, bucket, cache)
            flow.write_text("# changed\n")
            _pack("one file changed", flow, bucket, cache)


def _project(directory: str, files: int) -> Path:
    """Write a project; return its flow file."""
    for number in range(files):
        folder = Path(directory) / f"part{number % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"module{number}.py").write_text(f"# {uuid.uuid4()}\nVALUE = {number}\n" * 50)
    flow = Path(directory) / "flow.py"
    flow.parent.mkdir(exist_ok=True)
    flow.write_text("# the flow\n")
    return flow


def _pack(what: str, flow: Path, bucket: str, cache: str) -> None:
    began = time.perf_counter()
    made = build_package(str(flow), directory=cache)
    packed_s = time.perf_counter() - began
    was_sent, send_s = asyncio.run(_send_package(bucket, made))
    sys.stdout.write(
        f"{what}: packed in {packed_s:.3f} s, {'sent' if was_sent else 'not sent'} in {send_s:.3f} s, "
        f"{os.path.getsize(made.path):,} bytes\n"
    )


async def _send_package(bucket: str, made: Package) -> tuple[bool, float]:
    async with S3Objects(parse_url(f"s3://{bucket}/bench")) as objects:
        await objects.check()
        began = time.perf_counter()
        uploaded = await upload_package(objects, made)
        return uploaded.was_sent, time.perf_counter() - began


# The server


@contextmanager
def _bucket() -> Iterator[str]:
    """Make a bucket on the server that the environment names, or on the radosgw of `make services`."""
    if not os.environ.get("ASYNCFLOW_S3_ENDPOINT_URL"):
        script = [str(_ROOT / "scripts" / "services"), "env", "radosgw"]
        told = subprocess.run(script, stdout=subprocess.PIPE, text=True, check=False).stdout
        if not told:
            sys.exit(
                "There is no server: `make services` starts one, ASYNCFLOW_S3_ENDPOINT_URL names another."
            )
        known = dict(line.split("=", 1) for line in told.splitlines())
        os.environ |= {
            "ASYNCFLOW_S3_ENDPOINT_URL": known["RADOSGW_ENDPOINT"],
            "AWS_ACCESS_KEY_ID": known["RADOSGW_ACCESS_KEY"],
            "AWS_SECRET_ACCESS_KEY": known["RADOSGW_SECRET_KEY"],
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    import botocore.session
    from botocore.config import Config

    client = botocore.session.get_session().create_client(
        "s3",
        endpoint_url=os.environ["ASYNCFLOW_S3_ENDPOINT_URL"],
        config=Config(s3={"addressing_style": "path"}),
    )
    name = f"bench-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    try:
        yield name
    finally:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=name)
        for key in [item["Key"] for page in pages for item in page.get("Contents", ())]:
            client.delete_object(Bucket=name, Key=key)
        client.delete_bucket(Bucket=name)
        client.close()


def main(arguments: list[str]) -> None:
    """Do as the arguments say."""
    what, *rest = arguments or ["transfer"]
    if what == "--stage":
        _stage(*rest)
    elif what == "history":
        history(int(rest[0]) if rest else 10_000)
    elif what == "package":
        package(int(rest[0]) if rest else 200)
    elif what == "transfer":
        transfer(int(rest[0]) if rest else 1000)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
