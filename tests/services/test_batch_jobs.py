"""Batch jobs as processes: what a job is given, how it ends, and what is told of it. boto's own client asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.services.batch.handle import Batch
from tests.services.batch.words import OOM, OUT_OF_MEMORY, SPOT

SHELL = ["sh", "-c"]


def needs(vcpus: str, memory: str) -> dict[str, Any]:
    return {"resourceRequirements": [{"type": "VCPU", "value": vcpus}, {"type": "MEMORY", "value": memory}]}


def test_a_job_succeeds_and_is_told_step_by_step(batch: Batch) -> None:
    batch.pace(step_s=0.1)
    job = batch.submit(batch.register([*SHELL, "echo hello; sleep 0.3"]))

    seen = [batch.wait(job, [state])["status"] for state in ("SUBMITTED", "STARTING", "RUNNING", "SUCCEEDED")]
    told = batch.job(job)

    assert seen == ["SUBMITTED", "STARTING", "RUNNING", "SUCCEEDED"]
    assert told["container"]["exitCode"] == 0
    assert told["statusReason"] == "Essential container in task exited"
    assert told["createdAt"] <= told["startedAt"] <= told["stoppedAt"]
    assert batch.log(job) == ["hello"]


def test_a_job_that_fails_has_its_exit_code(batch: Batch) -> None:
    told = batch.wait(batch.submit(batch.register([*SHELL, "echo no >&2; exit 3"])))

    assert told["status"] == "FAILED"
    assert (told["container"]["exitCode"], told["container"].get("reason")) == (3, None)
    assert [each["container"]["exitCode"] for each in told["attempts"]] == [3]
    assert batch.log(told["jobId"]) == ["no"]


def test_overrides_and_parameters_go_before_the_definition(batch: Batch) -> None:
    definition = batch.register(
        [*SHELL, 'echo "$A $B $0"', "Ref::word"],
        environment=[{"name": "A", "value": "a"}, {"name": "B", "value": "b"}],
    )

    job = batch.submit(
        definition,
        parameters={"word": "filled"},
        containerOverrides={"environment": [{"name": "B", "value": "mine"}], **needs("2", "512")},
    )
    told = batch.wait(job)

    assert batch.log(job) == ["a mine filled"]
    assert {each["type"]: each["value"] for each in told["container"]["resourceRequirements"]} == {
        "VCPU": "2",
        "MEMORY": "512",
    }


def test_a_job_knows_who_it_is_and_has_its_roles_keys_but_not_the_submitters_environment(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_MINE", "1")
    job = batch.submit(batch.register(["env"]))
    batch.wait(job)

    told = dict(line.split("=", 1) for line in batch.log(job))

    assert (told["AWS_BATCH_JOB_ID"], told["AWS_BATCH_JOB_ATTEMPT"]) == (job, "1")
    assert (told["AWS_BATCH_JQ_NAME"], told["AWS_BATCH_CE_NAME"]) == (batch.queue, batch.compute_environment)
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= set(told)
    assert not {"SECRET_OF_MINE", "PYTHONPATH", "AWS_ENDPOINT_URL", "ASYNCFLOW_S3_ENDPOINT_URL"} & set(told)


def test_an_image_of_pythons_own_has_none_of_the_tests_packages(batch: Batch) -> None:
    code = "import importlib.util as u; print(u.find_spec('aiobotocore') is not None)"
    bare = batch.submit(
        batch.register(["python", "-c", code], image="public.ecr.aws/docker/python:3.11-slim")
    )
    full = batch.submit(batch.register(["python", "-c", code]))
    batch.wait(bare)
    batch.wait(full)

    assert (batch.log(bare), batch.log(full)) == (["False"], ["True"])


def test_logs_come_while_the_job_runs(batch: Batch, tmp_path: Path) -> None:
    go = tmp_path / "go"
    job = batch.submit(
        batch.register([*SHELL, f"echo one; until [ -e {go} ]; do sleep 0.02; done; echo two"])
    )

    batch.wait_until(lambda: batch.log(job) == ["one"], "the first line")
    assert batch.job(job)["status"] == "RUNNING"
    go.touch()
    batch.wait(job)

    assert batch.log(job) == ["one", "two"]


def test_a_terminated_job_may_end_in_order_and_has_the_users_reason(batch: Batch) -> None:
    script = "trap 'echo ending; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    job = batch.submit(batch.register([*SHELL, script]), retryStrategy={"attempts": 3})
    batch.wait_until(lambda: batch.log(job), "its first line")

    batch.client().terminate_job(jobId=job, reason="cancelled by me")
    told = batch.wait(job)

    assert (told["status"], told["statusReason"], told["isTerminated"]) == ("FAILED", "cancelled by me", True)
    assert len(told["attempts"]) == 1
    assert batch.log(job) == ["up", "ending"]


def test_who_does_not_hear_sigterm_is_killed_after_the_grace(batch: Batch) -> None:
    batch.pace(grace_s=0.2)
    job = batch.submit(batch.register([*SHELL, "trap '' TERM; echo up; while :; do sleep 0.02; done"]))
    batch.wait_until(lambda: batch.log(job), "its first line")

    batch.client().terminate_job(jobId=job, reason="enough")

    assert batch.wait(job)["container"]["exitCode"] == 137


def test_a_job_over_its_time_is_ended_and_not_tried_again(batch: Batch) -> None:
    batch.pace(timeout_scale=0.005)
    job = batch.submit(
        batch.register(["sleep", "100"]),
        timeout={"attemptDurationSeconds": 60},
        retryStrategy={"attempts": 3},
    )

    told = batch.wait(job)

    assert (told["status"], told["statusReason"]) == ("FAILED", "Job attempt duration exceeded timeout")
    assert len(told["attempts"]) == 1


def test_processes_that_a_job_leaves_behind_end_with_it(batch: Batch) -> None:
    job = batch.submit(batch.register([*SHELL, "sleep 300 & echo $!"]))
    batch.wait(job)
    left = Path("/proc") / batch.log(job)[0]

    batch.wait_until(lambda: not left.exists() or " Z " in (left / "stat").read_text(), "the child's end")


def test_a_command_that_is_no_program_cannot_start(batch: Batch) -> None:
    told = batch.wait(batch.submit(batch.register(["no-such-program"])))

    assert told["statusReason"] == "Task failed to start"
    assert told["container"]["reason"].startswith("CannotStartContainerError: ")
    assert 'exec: "no-such-program": executable file not found in $PATH' in told["container"]["reason"]


def test_attempts_follow_as_the_strategy_says(batch: Batch) -> None:
    definition = batch.register([*SHELL, "exit $((AWS_BATCH_JOB_ATTEMPT + 1))"])
    strategy = {
        "attempts": 5,
        "evaluateOnExit": [
            {"onExitCode": "2", "action": "RETRY"},
            {"onExitCode": "3*", "onStatusReason": "Essential*", "action": "EXIT"},
        ],
    }

    told = batch.wait(batch.submit(definition, retryStrategy=strategy))

    assert [each["container"]["exitCode"] for each in told["attempts"]] == [2, 3]
    assert len({each["container"]["logStreamName"] for each in told["attempts"]}) == 2
    assert (
        batch.wait(batch.submit(definition, retryStrategy={"attempts": 2}))["attempts"][1]["container"][
            "exitCode"
        ]
        == 3
    )


def test_a_reclaimed_host_is_told_apart_and_the_job_may_go_on_elsewhere(batch: Batch) -> None:
    fate = batch.fate(SPOT, "^on-spot$")
    strategy = {"attempts": 2, "evaluateOnExit": [{"onStatusReason": "Host EC2*", "action": "RETRY"}]}
    script = '[ "$AWS_BATCH_JOB_ATTEMPT" = 2 ] || sleep 100'
    job = batch.submit(batch.register([*SHELL, script]), "on-spot", retryStrategy=strategy)

    told = batch.wait(job)

    assert fate.fired == 1
    assert told["status"] == "SUCCEEDED"
    first = told["attempts"][0]
    instance = first["container"]["containerInstanceArn"].rpartition("/")[2]
    assert first["statusReason"] == f"Host EC2 (instance {instance}) terminated."
    assert "exitCode" not in first["container"]


def test_a_running_job_can_be_struck(batch: Batch) -> None:
    job = batch.submit(batch.register(["sleep", "100"]))
    assert not batch.strike(job, OOM)
    batch.wait(job, ["RUNNING"])

    assert batch.strike(job, OOM)
    told = batch.wait(job)

    assert (told["container"]["exitCode"], told["container"]["reason"]) == (137, OUT_OF_MEMORY)
    assert told["statusReason"] == "Essential container in task exited"


def test_jobs_wait_for_others_and_fail_with_them(batch: Batch) -> None:
    definition = batch.register(
        [*SHELL, 'sleep 0.2; exit "$CODE"'], environment=[{"name": "CODE", "value": "0"}]
    )
    failing = {"environment": [{"name": "CODE", "value": "1"}]}
    good = batch.submit(definition, "good")
    bad = batch.submit(definition, "bad", containerOverrides=failing)
    after_good = batch.submit(definition, "after", dependsOn=[{"jobId": good}])
    after_bad = batch.submit(definition, "after", dependsOn=[{"jobId": good}, {"jobId": bad}])

    assert batch.wait(after_good, ["PENDING"])
    assert batch.wait(after_good)["startedAt"] >= batch.job(good)["stoppedAt"]
    told = batch.wait(after_bad)
    assert (told["status"], told["statusReason"], told["attempts"]) == ("FAILED", "Dependent Job failed", [])


def test_what_no_instance_holds_stays_runnable_with_a_reason_and_stops_those_behind_it(batch: Batch) -> None:
    definition = batch.register(["true"])
    vast = batch.submit(definition, "vast", containerOverrides=needs("1", "999999"))
    told = batch.wait_until(lambda: _reason(batch, vast), "a reason")
    behind = batch.submit(definition, "behind")
    batch.wait(behind, ["RUNNABLE"])

    assert told.startswith("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - ")
    assert batch.job(vast)["status"] == "RUNNABLE"
    batch.client().terminate_job(jobId=vast, reason="too vast")
    assert batch.wait(vast)["statusReason"] == "too vast"
    assert batch.wait(behind)["status"] == "SUCCEEDED"


def _reason(batch: Batch, job: str) -> str | None:
    return batch.job(job).get("statusReason")


def test_no_more_run_at_once_than_the_environment_has_cores_for(batch: Batch, tmp_path: Path) -> None:
    queue = batch.new_queue(max_vcpus=2)
    own = f"{tmp_path}/$AWS_BATCH_JOB_ID"
    script = f"mkdir {own}; sleep 0.3; ls {tmp_path} | wc -l; sleep 0.3; rmdir {own}"
    definition = batch.register([*SHELL, script])

    jobs = [batch.submit(definition, jobQueue=queue) for _ in range(6)]

    assert {batch.wait(job)["status"] for job in jobs} == {"SUCCEEDED"}
    assert max(int(batch.log(job)[0]) for job in jobs) == 2


def test_a_job_that_has_not_begun_is_cancelled_and_a_running_one_is_let_be(batch: Batch) -> None:
    queue = batch.new_queue(max_vcpus=1)
    definition = batch.register(["sleep", "0.5"])
    running = batch.submit(definition, jobQueue=queue)
    waiting = batch.submit(definition, jobQueue=queue)
    batch.wait(running, ["RUNNING"])
    batch.wait(waiting, ["RUNNABLE"])

    for job in (running, waiting):
        batch.client().cancel_job(jobId=job, reason="changed my mind")

    assert batch.wait(waiting)["statusReason"] == "changed my mind"
    assert batch.wait(running)["status"] == "SUCCEEDED"


@pytest.fixture
def big_definition(batch: Batch) -> str:
    return batch.register(["true"])


def test_overrides_beyond_what_ecs_takes_fail_the_job_and_beyond_30_kib_the_submission(
    batch: Batch, big_definition: str
) -> None:
    def sized(length: int) -> dict[str, Any]:
        return {"containerOverrides": {"environment": [{"name": "A", "value": "x" * length}]}}

    told = batch.wait(batch.submit(big_definition, **sized(9_000)))
    with pytest.raises(batch.client().exceptions.ClientException) as refused:
        batch.submit(big_definition, **sized(40_000))

    assert told["statusReason"] == "Container Overrides length must be at most 8192"
    assert "Job size must be less than 30 KiB, got 39 KiB" in str(refused.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"jobQueue": "nowhere"}, "JobQueue nowhere not found"),
        ({"jobDefinition": "nothing"}, "JobDefinition nothing not found"),
        ({"jobName": "a name"}, "Job name should match valid pattern"),
        ({"jobName": "n" * 129}, "Job name should match valid pattern"),
        ({"timeout": {"attemptDurationSeconds": 59}}, "at least 60 seconds"),
        ({"arrayProperties": {"size": 1}}, "size must be between 2 and 10000"),
        ({"arrayProperties": {"size": 10_001}}, "size must be between 2 and 10000"),
        ({"retryStrategy": {"attempts": 11}}, "attempts must be between 1 and 10"),
    ],
)
def test_bad_submissions_are_refused(
    batch: Batch, big_definition: str, given: dict[str, Any], words: str
) -> None:
    asked = {"jobName": "j", "jobQueue": batch.queue, "jobDefinition": big_definition, **given}

    with pytest.raises(batch.client().exceptions.ClientException, match=words):
        batch.client().submit_job(**asked)


def test_a_definition_that_is_given_up_takes_no_jobs_and_a_new_revision_is_not_a_mixture(
    batch: Batch,
) -> None:
    client = batch.client()
    first = batch.register(["true"])
    name = first.rpartition("/")[2].partition(":")[0]
    properties = {"image": "other", "command": ["false"], **needs("1", "4096")}
    second = client.register_job_definition(
        jobDefinitionName=name,
        type="container",
        containerProperties=properties,
        timeout={"attemptDurationSeconds": 60},
    )
    client.deregister_job_definition(jobDefinition=first)

    with pytest.raises(client.exceptions.ClientException, match="is not ACTIVE"):
        batch.submit(first)
    active = client.describe_job_definitions(jobDefinitionName=name, status="ACTIVE")["jobDefinitions"]

    assert [each["jobDefinitionArn"] for each in active] == [second["jobDefinitionArn"]]
    assert active[0]["containerProperties"]["image"] == "other"
    assert batch.wait(batch.submit(name))["container"]["exitCode"] == 1


def write_the_names(call: Any) -> int:
    """Run in the server's process in place of a job's command, see below."""
    Path(call.environment["OUT"]).write_text(
        json.dumps([*call.command, call.environment["AWS_BATCH_JOB_ID"]])
    )
    return 4


def test_a_function_can_stand_in_for_all_commands(batch: Batch, tmp_path: Path) -> None:
    queue = batch.new_queue(runs="function:tests.services.test_batch_jobs:write_the_names")
    environment = [{"name": "OUT", "value": str(tmp_path / "out")}]
    job = batch.submit(batch.register(["do", "it"], environment=environment), jobQueue=queue)

    told = batch.wait(job)

    assert told["container"]["exitCode"] == 4
    assert json.loads((tmp_path / "out").read_text()) == ["do", "it", job]
