"""The parts that need no cluster: what steps may ask for, how jobs say whose they are, what Slurm's words mean."""

from __future__ import annotations

from typing import Any

import pytest
from asyncflow_slurm import Slurm, slurm
from asyncflow_slurm.identity import LONGEST_LIST, Identity, listed
from asyncflow_slurm.provider import DIRECTORY_VARIABLE, SlurmProvider
from asyncflow_slurm.script import arrays, flags
from asyncflow_slurm.states import Row, end_of, exit_code_of, note_of, phase_of

from asyncflow import FlowSpec, step
from asyncflow.backends.remote.platform import EndReason, Job, Phase, Size
from asyncflow.backends.remote.provider import StepRequest
from asyncflow.errors import UserError
from asyncflow.flow.decorators.attached import decorators_of, parse_spec
from asyncflow.flow.errors import DecoratorAttributeError
from asyncflow.machine.ids import Attempt

SMALL = Size()


def job(task: int = 1, *, number: int = 0, index: int = 0, size: Size = SMALL, **options: Any) -> Job:
    made = Slurm(**options)
    return Job(
        name=f"af-0123abcd-7-{task}-{number}",
        attempt=Attempt(task, number),
        run=7,
        flow="F",
        step="train",
        user="me",
        owner="0123abcd",
        command=("true",),
        environment={},
        index=index,
        options=made.attributes(),
        size=size,
    )


# What a step may ask for


def test_the_decorator_stands_above_a_step() -> None:
    class Flow(FlowSpec):
        @slurm(partition="long", cpu=4)
        @step
        def start(self) -> None:
            self.next(self.end)

        @step
        def end(self) -> None: ...

    (decorator,) = decorators_of(Flow, "start")
    assert isinstance(decorator, Slurm)
    assert (decorator.partition, decorator.cpu) == ("long", 4)


def test_with_knows_the_decorator_by_its_entry_point() -> None:
    decorator = parse_spec('slurm:partition=debug,memory=2000,extra="--exclusive --nice=5"')
    assert isinstance(decorator, Slurm)
    assert decorator.extra == "--exclusive --nice=5"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"cpu": 0}, "cpu=0"),
        ({"memory": "much"}, "memory='much'"),
        ({"gpu_type": "a100"}, "gpu_type='a100', which is not of use without gpu"),
        ({"time": "soon"}, "time='soon', which is not a time as Slurm writes it"),
        ({"partition": ""}, "partition=''"),
        ({"extra": "--array=0-5"}, "--array=0-5 is not the step's to give"),
        ({"extra": ["-o", "x"]}, "-o is not the step's to give"),
        ({"extra": "'"}, "flags of sbatch"),
        ({"extra": 5}, "flags of sbatch"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DecoratorAttributeError, match="@slurm has") as told:
        Slurm(**options)
    assert complaint in told.value.message


def test_options_become_flags() -> None:
    asked = job(
        size=Size(cpu=1.5, memory_mb=2000.2, gpu=2, disk_mb=100),
        gpu=2,
        gpu_type="a100",
        partition="p",
        account="a",
        qos="q",
        reservation="r",
        constraint="c&d",
        nodelist="n1",
        exclude="n2",
        time="1-12",
        extra="--nice=5",
    )
    given = flags([asked], 30)
    for flag in (
        "--cpus-per-task=2", "--mem=2001M", "--tmp=100M", "--gres=gpu:a100:2", "--partition=p", "--account=a",
        "--qos=q", "--reservation=r", "--constraint=c&d", "--nodelist=n1", "--exclude=n2", "--time=1-12", "--nice=5",
        "--no-requeue", "--job-name=af-0123abcd-7-1-0", "--comment=asyncflow/1 0123abcd 7 train 1.0",
    ):  # fmt: skip
        assert flag in given, given


def test_gangs_are_refused_before_anything_runs() -> None:
    request = StepRequest(step="train", options={}, size=Size(), gang=True, where="flow.py:7")
    with pytest.raises(UserError, match="Step train is a gang") as told:
        SlurmProvider().check([request], {})
    assert told.value.where == "flow.py:7"


def test_a_relative_directory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, "somewhere/else")
    with pytest.raises(UserError, match="is not an absolute path"):
        SlurmProvider().check([], {})


# What is one request


def test_jobs_are_cut_where_indexes_or_sizes_do_not_fit_and_at_the_longest_array() -> None:
    indexes = [0, 1, 2, 5, 6, 7, 8]
    jobs = [job(task, index=index) for task, index in enumerate(indexes, start=1)]
    jobs.append(job(9, index=9, size=Size(memory_mb=100)))
    assert [len(piece) for piece in arrays(jobs, 3)] == [3, 3, 1, 1]


def test_an_array_s_comment_stays_short() -> None:
    jobs = [job(task * 7 + 1000, index=task) for task in range(1000)]
    pieces = list(arrays(jobs, 1000))
    assert 1 < len(pieces) < 20
    assert sum(len(piece) for piece in pieces) == 1000
    assert all(len(listed([each.attempt for each in piece])) <= LONGEST_LIST for piece in pieces)


# How jobs say whose they are


def test_a_comment_is_read_as_it_was_written() -> None:
    attempts = [Attempt(task, 0) for task in range(12, 512)] + [Attempt(515, 1), Attempt(3, 0), Attempt(4, 1)]
    identity = Identity("0123abcd", 7, "train", tuple(attempts))
    assert identity.comment() == "asyncflow/1 0123abcd 7 train 12-511.0,515.1,3.0,4.1"
    assert Identity.read(identity.comment()) == identity


@pytest.mark.parametrize(
    "comment", ["", "(null)", "mine", "asyncflow/2 a 1 b 1.0", "asyncflow/1 a x b 1.0", "asyncflow/1 a 1 b -"]
)
def test_other_comments_are_nobody_s(comment: str) -> None:
    assert Identity.read(comment) is None


# What Slurm's words mean


@pytest.mark.parametrize(
    ("state", "reason", "is_our_fault"),
    [
        ("BOOT_FAIL", EndReason.LOST, True),
        ("CANCELLED", EndReason.STOPPED, False),
        ("DEADLINE", EndReason.TIMED_OUT, False),
        ("FAILED", EndReason.FAILED, False),
        ("NODE_FAIL", EndReason.LOST, True),
        ("OUT_OF_MEMORY", EndReason.OUT_OF_MEMORY, False),
        ("PREEMPTED", EndReason.EVICTED, True),
        ("TIMEOUT", EndReason.TIMED_OUT, False),
    ],
)
def test_ends_have_reasons(state: str, reason: EndReason, is_our_fault: bool) -> None:
    end = end_of(Row("5_1", state, 3, "", "n1"))
    assert (end.reason, end.reason.is_our_fault) == (reason, is_our_fault)
    assert state in end.message


@pytest.mark.parametrize(
    ("status", "code"), [("0", 0), ("768", 3), ("9", -9), (str(137 << 8), -9), ("?", None)]
)
def test_exit_codes_are_told_as_waitpid_tells_them(status: str, code: int | None) -> None:
    assert exit_code_of(status) == code


@pytest.mark.parametrize(
    ("state", "reason", "phase", "note"),
    [
        ("PENDING", "Priority", Phase.PENDING, ""),
        ("PENDING", "AssocMaxJobsLimit", Phase.PENDING, "AssocMaxJobsLimit"),
        ("CONFIGURING", "None", Phase.PENDING, "configuring"),
        ("RUNNING", "None", Phase.RUNNING, ""),
        ("COMPLETING", "None", Phase.RUNNING, ""),
        ("SUSPENDED", "None", Phase.RUNNING, "suspended"),
        ("A_STATE_OF_TOMORROW", "None", Phase.RUNNING, "a state of tomorrow"),
    ],
)
def test_what_keeps_a_job_is_a_note(state: str, reason: str, phase: Phase, note: str) -> None:
    assert phase_of(state) is phase
    assert note_of(Row("5", state, None, reason)) == note
