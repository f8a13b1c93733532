"""Frames, notes and specs: what goes in comes out, however the stream is cut."""

from __future__ import annotations

import pytest

from asyncflow.backends.local.wire import (
    MARKER,
    Frames,
    Note,
    Notes,
    Said,
    Verb,
    frame,
    marker,
    note,
    pack_run,
    pack_task,
    read_marker,
    unpack_run,
    unpack_task,
)
from asyncflow.machine.ids import Attempt, Frame, ManifestKey
from asyncflow.machine.outcome import ErrorInfo
from asyncflow.worker.spec import RunSpec, TaskSpec

RUN = RunSpec(
    run=3,
    flow="F",
    flow_file="/flows/f.py",
    store_root="/a/store",
    parameters=ManifestKey(3, 0, 0),
    user="ada",
    tags=("one", "two"),
    namespace="user:ada",
    origin_run=2,
    environment={"start": {"A": "1"}},
    project={"project_name": "churn"},
    looks_in_namespace=True,
    triggers=({"type": "run", "name": "G", "id": "G/1"},),
)
TASK = TaskSpec(run=3, attempt=Attempt(5, 1), step="start", inputs=[ManifestKey(3, 4, 0)])
JOIN = TaskSpec(
    run=3,
    attempt=Attempt(9, 0),
    step="join",
    inputs=[ManifestKey(2, number, 1) for number in range(1000)],
    split=ManifestKey(3, 1, 0),
    index=2,
    width=7,
    frames=(Frame(1, 0), Frame(3, 2)),
    iteration=4,
    catches=True,
    fallback=ErrorInfo("ValueError", "no", "trace", ("builtins.ValueError", "builtins.Exception"), False),
    timeout_s=1.5,
    max_retries=3,
)


@pytest.mark.parametrize("spawns", [True, False])
def test_a_run_s_spec_comes_out_as_it_went_in(spawns: bool) -> None:
    assert unpack_run(pack_run(RUN, spawns=spawns)) == (RUN, spawns)


@pytest.mark.parametrize("spec", [TASK, JOIN])
def test_a_task_s_spec_comes_out_as_it_went_in(spec: TaskSpec) -> None:
    again = unpack_task(pack_task(spec))
    assert again == spec
    assert type(again.attempt) is Attempt
    assert {type(key) for key in again.inputs} == {ManifestKey}
    assert type(again.fallback) is type(spec.fallback)


def test_inputs_may_be_any_sequence() -> None:
    spec = TaskSpec(run=1, attempt=Attempt(1, 0), step="join", inputs=tuple(JOIN.inputs))
    assert list(unpack_task(pack_task(spec)).inputs) == list(JOIN.inputs)


@pytest.mark.parametrize("size", [1, 7, 15, 16, 17, 64, 10_000])
def test_frames_are_found_however_the_stream_is_cut(size: int) -> None:
    sent = [
        (Verb.RUN, 0, b"spec"),
        (Verb.LAUNCH, 1, b"x" * 300),
        (Verb.STOP, 2**40, b""),
        (Verb.FORCE, 3, b""),
    ]
    stream = b"".join(frame(verb, token, body) for verb, token, body in sent)
    frames = Frames()
    found = [got for at in range(0, len(stream), size) for got in frames.feed(stream[at : at + size])]
    assert found == sent


@pytest.mark.parametrize("size", [1, 5, 23, 24, 25, 1000])
def test_notes_are_found_however_the_stream_is_cut(size: int) -> None:
    sent = [Note(Said.READY, 77, 0), Note(Said.STARTED, 78, 1), Note(Said.EXITED, -9, 2**40, 3 << 30)]
    stream = b"".join(note(Said(said), value, token, peak) for said, value, token, peak in sent)
    notes = Notes()
    found = [got for at in range(0, len(stream), size) for got in notes.feed(stream[at : at + size])]
    assert found == sent


def test_a_stand_in_names_its_attempt() -> None:
    data = marker(Attempt(123456, 2))
    assert data.startswith(MARKER)
    assert read_marker(data) == Attempt(123456, 2)
