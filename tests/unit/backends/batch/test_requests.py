"""Steps become job definitions and submissions as kept in tests/golden/manifests; `UPDATE_GOLDEN=1` keeps them anew."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from asyncflow.backends.batch.definition import define
from asyncflow.backends.batch.naming import ARRAY, GANG, ONE
from asyncflow.backends.batch.submission import MOST_OVERRIDES, complaint_of, group, request_of
from asyncflow.backends.remote.platform import Gang, Size
from asyncflow.machine.ids import Attempt
from asyncflow.records import replace
from tests.unit.backends.batch.asked import SETTINGS, job, options

GOLDEN = Path(__file__).parents[3] / "golden" / "manifests" / "batch"

DEFINITIONS: dict[str, tuple[dict[str, Any], Size, bool, int | None]] = {
    "plain": ({}, Size(), False, None),
    "sizes": ({"cpu": "2.5"}, Size(cpu=2.5, memory_mb=500.2, gpu=1), False, None),
    "everything": (
        {
            "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/image:1",
            "execution_role": "arn:aws:iam::123456789012:role/exec",
            "shared_memory": 128,
            "max_swap": 0,
            "swappiness": 60,
            "use_tmpfs": True,
            "inferentia": 2,
            "efa": 1,
            "host_volumes": "/data,/var/there:/here",
            "efs_volumes": ["fs-1234", "fs-5678:/shared"],
            "log_driver": "awslogs",
            "log_options": ["awslogs-group:mine", "awslogs-stream-prefix:wide"],
            "privileged": True,
        },
        Size(cpu=4, memory_mb=8192),
        False,
        None,
    ),
    "trainium": ({"trainium": 1, "tmpfs_size": 100, "tmpfs_path": "/scratch"}, Size(), False, None),
    "fargate": (
        {"execution_role": "arn:aws:iam::123456789012:role/exec", "ephemeral_storage": 50},
        Size(cpu=0.25, memory_mb=512),
        True,
        None,
    ),
    "gang": ({}, Size(cpu=1, memory_mb=1024), False, 4),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_definitions_are_as_recorded(name: str) -> None:
    given, size, is_fargate, nodes = DEFINITIONS[name]

    definition = define(options(size, **given), is_fargate=is_fargate, nodes=nodes)

    _assert_golden(f"definition-{name}", definition.request)
    _assert_valid("RegisterJobDefinition", definition.request)


def test_submissions_are_as_recorded() -> None:
    gang = [job(20 + at, index=at, gang=Gang(id=19, size=3, index=at)) for at in range(3)]
    cases = {
        "one": ([job(5, 1, index=3, timeout_s=90)], {}),
        "tmpfs": ([job()], {"use_tmpfs": True, "tmpfs_tempdir": True}),
        "array": ([job(5 + at, index=at) for at in range(3)], {"aws_batch_tags": {"team": "blue"}}),
        "retries": ([job(5, 1, index=0), job(9, 2, index=1)], {}),
        "gang": (gang, {}),
    }
    for name, (jobs, given) in cases.items():
        [submission] = group(jobs)
        request = request_of(submission, options(**given), "arn:aws:batch:eu-west-1:1:job-definition/d:1")
        _assert_golden(f"submission-{name}", request)
        _assert_valid("SubmitJob", request)


def test_one_shape_has_one_name_whatever_is_run_in_it_and_another_has_another() -> None:
    names = {
        define(options(**given)).name for given in ({}, {"aws_batch_tags": {"a": "b"}}, {"queue": "other"})
    }
    others = {
        define(options(Size(memory_mb=8192))).name,
        define(options(image="python:3.13")).name,
        define(options(), nodes=2).name,
        define(options(), is_fargate=True).name,
    }

    assert len(names) == 1
    assert len(others | names) == 5


def test_without_permission_to_tag_jobs_carry_what_was_asked_for_only() -> None:
    silent = replace(SETTINGS, emit_tags=False)
    [submission] = group([job()])

    asked = request_of(submission, options(settings=silent, aws_batch_tags="team=blue"), "d:1")
    bare = request_of(submission, options(settings=silent), "d:1")

    assert asked["tags"] == {"team": "blue"}
    assert "tags" not in bare
    assert "tags" not in define(options(settings=silent)).request


def test_arrays_are_cut_where_places_do_not_follow_where_sizes_differ_and_where_aws_ends_them() -> None:
    bigger = Size(memory_mb=8192)
    jobs = [
        job(1, index=0),
        job(2, index=1),
        job(3, index=3),
        job(4, 1, index=4, size=bigger),
        job(5, index=5),
    ]
    wide = [job(task, index=task) for task in range(1, 25_002)]

    cut = group(jobs)

    assert [[one.task for one in part.attempts] for part in cut] == [[1, 2], [3], [4], [5]]
    assert [part.kind for part in cut] == [ARRAY, ONE, ONE, ONE]
    assert [len(part.jobs) for part in group(wide)] == [10_000, 10_000, 5_001]


def test_an_array_in_such_disorder_that_it_could_not_be_told_is_cut() -> None:
    jobs = [job(1 + 7 * at, at % 3, index=at) for at in range(3000)]

    parts = group(jobs)

    assert len(parts) > 1
    assert [attempt for part in parts for attempt in part.attempts] == [one.attempt for one in jobs]
    assert all(len(json.dumps(request_of(part, options(), "d:1"))) < 30_000 for part in parts)


def test_a_member_of_a_gang_that_is_tried_again_is_alone() -> None:
    [alone] = group([job(21, 1, gang=Gang(id=19, size=3, index=1))])
    [whole] = group([job(20 + at, index=at, gang=Gang(id=19, size=3, index=at)) for at in (2, 0, 1)])

    assert (alone.kind, alone.attempts) == (ONE, (Attempt(21, 1),))
    assert (whole.kind, [one.task for one in whole.attempts]) == (GANG, [20, 21, 22])


def test_an_environment_that_aws_would_not_take_is_known_before() -> None:
    [submission] = group([job(environment={"LONG": "x" * MOST_OVERRIDES})])

    assert "8192" in complaint_of(request_of(submission, options(), "d:1"))


def _assert_golden(name: str, request: dict[str, Any]) -> None:
    path = GOLDEN / f"{name}.json"
    text = json.dumps(request, indent=2) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


def _assert_valid(operation: str, request: dict[str, Any]) -> None:
    """AWS's own description of the service has nothing against it."""
    import botocore.session
    from botocore.validate import ParamValidator

    model = botocore.session.get_session().get_service_model("batch").operation_model(operation)
    report = ParamValidator().validate(request, model.input_shape)
    assert not report.has_errors(), report.generate_report()
