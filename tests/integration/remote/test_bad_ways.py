"""Bad ways to the bucket, and buckets that are not what they should be: survived, or one clear message."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from tests.integration.remote.machines import Cluster, Machine, until
from tests.services import moto
from tests.services.faults import BROKEN, CUT_BODY, EXPIRED, LOST_ANSWER, MOVED, SLOW_DOWN, Proxy

pytestmark = pytest.mark.slow


def empty(cluster: Cluster) -> None:
    client = moto.client(cluster.endpoint)
    bucket, _, prefix = cluster.store.removeprefix("s3://").partition("/")
    for key in cluster.objects():
        client.delete_object(Bucket=bucket, Key=f"{prefix}/{key}")


def error_of(machine: Machine, *args: str) -> str:
    """Run a command that has to fail with one message, and return that."""
    ended = machine.run(*args)
    assert ended.code not in (0, 70), ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_a_storm_is_survived_in_every_place(cluster: Cluster, storm: Proxy) -> None:
    here = cluster.machine("a", ASYNCFLOW_S3_ENDPOINT_URL=storm.endpoint)
    there = cluster.machine("b")
    faults = [
        storm.order(LOST_ANSWER, "PUT .*/ids/"),
        storm.order(LOST_ANSWER, "PUT .*/lease/"),
        storm.order(LOST_ANSWER, "PUT .*/stream/0*0"),
        storm.order(SLOW_DOWN, "PUT .*/stream/", times=2),
        storm.order(BROKEN, "PUT .*/blobs/", times=2),
        storm.order(BROKEN, "PUT .*/heads/"),
        storm.order(CUT_BODY, "GET .*/owner"),
    ]

    ended = here.run("run", here.flow("small"))

    assert ended.code == 0, ended.stderr
    assert [fault.fired for fault in faults] == [1, 1, 1, 2, 2, 1, 1]
    assert cluster.objects("^ids/") == ["ids/000000000001"]
    assert len(cluster.objects("/lease/")) == 1
    assert there.status(1) == "succeeded"
    assert there.digests(1) == here.digests(1)


def test_a_storm_is_survived_by_jobs_and_by_readers(cluster: Cluster, storm: Proxy) -> None:
    here = cluster.machine("a", ASYNCFLOW_S3_ENDPOINT_URL=storm.endpoint)
    cluster.open("first")
    cluster.open("second")
    faults = [
        storm.order(LOST_ANSWER, "PUT .*/specs/"),
        storm.order(LOST_ANSWER, "PUT .*/claims/"),
        storm.order(LOST_ANSWER, "PUT .*/results/"),
        storm.order(BROKEN, "GET .*/results/"),
        storm.order(SLOW_DOWN, "GET .*/specs/"),
    ]

    ended = here.run("run", here.flow("gated"), "--with", "process:cpu=1")

    assert ended.code == 0, ended.stdout + ended.stderr
    assert [fault.fired for fault in faults] == [1, 1, 1, 1, 1]
    assert (
        len(cluster.objects("/claims/"))
        == len(cluster.objects("/results/"))
        == len(cluster.job_directories())
        == 4
    )
    reads = [storm.order(CUT_BODY, "GET .*/stream/"), storm.order(SLOW_DOWN, "GET .*list-type")]
    reader = cluster.machine("b", ASYNCFLOW_S3_ENDPOINT_URL=storm.endpoint)
    assert reader.status(1) == "succeeded"
    assert "second prints" in reader.ok("logs", "1")
    assert [fault.fired for fault in reads] == [1, 1]


def test_credentials_that_expire_end_the_run_with_one_message_and_it_can_go_on(
    cluster: Cluster, storm: Proxy
) -> None:
    here = cluster.machine("a", ASYNCFLOW_S3_ENDPOINT_URL=storm.endpoint)
    running = here.start("run", here.flow("gated"))
    cluster.wait_journal("first begins")
    until(lambda: cluster.objects("^heads/"), "the run is in the bucket")

    fault = storm.order(EXPIRED, "PUT ", times=None)
    cluster.open("first")
    ended = here.end_of(running)

    assert fault.fired >= 1
    assert ended.code not in (0, 70)
    assert "Traceback" not in ended.stderr
    assert "expired" in ended.stderr.lower()
    storm.heal()
    cluster.open("second")
    resumed = here.run("resume", "1")
    assert resumed.code == 0, resumed.stderr
    assert cluster.machine("b").status(1) == "succeeded"


def test_a_bucket_that_is_not_there_is_told_before_anything_runs(cluster: Cluster) -> None:
    machine = cluster.machine("a", ASYNCFLOW_STORE="s3://no-such-bucket/place")

    for command in (("run", machine.flow("small")), ("runs",)):
        assert "there is no bucket 'no-such-bucket'" in error_of(machine, *command)
    assert "there is no bucket 'no-such-bucket'" in machine.run("doctor").stdout
    assert cluster.journal() == []


def test_a_server_that_does_not_answer_is_told(cluster: Cluster) -> None:
    machine = cluster.machine("a", ASYNCFLOW_S3_ENDPOINT_URL=f"http://127.0.0.1:{moto.free_port()}")

    told = error_of(machine, "run", machine.flow("small"))

    assert "127.0.0.1" in told
    assert cluster.journal() == []


def test_a_bucket_in_another_region_is_found_where_it_is(cluster: Cluster, storm: Proxy) -> None:
    storm.region = "eu-west-3"
    machine = cluster.machine("a", ASYNCFLOW_S3_ENDPOINT_URL=storm.endpoint)

    ended = machine.run("run", machine.flow("small"))

    assert ended.code == 0, ended.stderr
    assert storm.sent_elsewhere >= 1
    assert storm.sent_elsewhere < len(storm.requests) / 2, "each client asks elsewhere once"
    assert machine.status(1) == "succeeded"


def test_a_bucket_of_which_nobody_says_where_it_is_is_told(cluster: Cluster, storm: Proxy) -> None:
    fault = storm.order(MOVED, ".", times=None)
    machine = cluster.machine("a", ASYNCFLOW_S3_ENDPOINT_URL=storm.endpoint)

    told = error_of(machine, "run", machine.flow("small"))

    assert fault.fired >= 1
    assert told.startswith("The bucket is in another region:")
    assert "Set AWS_REGION to where it is" in told
    assert cluster.journal() == []


def test_no_credentials_are_told(cluster: Cluster) -> None:
    machine = cluster.machine("a", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")

    told = error_of(machine, "run", machine.flow("small"))

    assert "credentials" in told.lower()


def test_what_is_no_address_is_told(cluster: Cluster) -> None:
    machine = cluster.machine("a")

    assert "s3://bucket/prefix" in error_of(machine, "runs", "--store", "s3:bucket")
    assert "gs://" in error_of(machine, "runs", "--store", "gs://bucket")


def test_a_replica_of_an_emptied_bucket_is_told(cluster: Cluster) -> None:
    here = cluster.machine("a")
    here.ok("run", here.flow("small"))
    empty(cluster)

    told_reader = error_of(here, "runs")
    told_driver = error_of(here, "run", here.flow("small"))

    for told in (told_reader, told_driver):
        assert "emptied" in told
        assert "rm -r" in told
    replica = told_driver.split("rm -r ")[1].splitlines()[0].replace("HERE", str(here.place.root))
    shutil.rmtree(replica)
    here.ok("run", here.flow("small"))
    assert here.status(1) == "succeeded"


def test_the_cache_stays_within_its_limit(cluster: Cluster) -> None:
    here, there = cluster.machine("a"), cluster.machine("b", ASYNCFLOW_CACHE_LIMIT_MB="0.1")
    here.ok("run", here.flow("small"))

    for _ in range(2):
        assert there.artifact("SmallFlow/1/start/1", "large") == list(range(100_000))

    cached = [
        os.path.join(place, name)
        for place, _, names in os.walk(there.place.root / "cache")
        for name in names
        if "/cache/" in place.removeprefix(str(there.place.root / "cache"))
    ]
    assert len(cached) <= 1


def test_each_command_takes_the_store(cluster: Cluster) -> None:
    here = cluster.machine("a", ASYNCFLOW_STORE="")
    here.ok("run", here.flow("small"), "--store", cluster.store)

    assert not (here.place.root / ".asyncflow").exists()
    there = cluster.machine("b", ASYNCFLOW_STORE="")
    for command in (
        ("runs",),
        ("logs", "1"),
        ("dump", "1/start"),
        ("tag", "list", "1"),
        ("diff", "1", "1"),
        ("why", "1/start"),
        ("code", "pull", "1"),
        ("doctor",),
        ("reap", "--backend", "process", "--dry-run"),
    ):
        there.ok(*command, "--store", cluster.store)
    assert "not possible yet" in error_of(there, "gc", "--store", cluster.store)
    resumed = there.run("resume", "1", "work", "--file", there.flow("small"), "--store", cluster.store)
    assert resumed.code == 0, resumed.stderr
    assert json.loads(here.ok("runs", "--json", "--store", cluster.store))[0]["run"] == 2


def test_steps_of_one_run_go_to_different_places(cluster: Cluster) -> None:
    machine = cluster.machine("a")
    flow = machine.flow("gated")
    path = machine.place.root / flow
    text = path.read_text()
    path.write_text(
        text.replace("    @step\n    def second", "    @process(cpu=1)\n    @step\n    def second").replace(
            "from asyncflow import FlowSpec, step\n",
            "from asyncflow import FlowSpec, step\nfrom asyncflow.testing.process_platform import process\n",
        )
    )
    cluster.open("first")
    cluster.open("second")

    ended = machine.run("run", flow)

    assert ended.code == 0, ended.stdout + ended.stderr
    assert len(cluster.job_directories()) == 1
    assert "second prints" in ended.stdout
    assert machine.artifact("GatedFlow/1/second/3", "two") == 2
