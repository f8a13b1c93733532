"""Reports and parameters."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncflow.errors import InternalError
from asyncflow.machine.ids import Attempt, ManifestKey
from asyncflow.machine.outcome import ArtifactRef, ErrorInfo, Failed, Outcome, Succeeded, Usage
from asyncflow.store.local import LocalStore
from asyncflow.store.unpicklable import UnpicklableArtifact
from asyncflow.worker.parameters import write_parameters
from asyncflow.worker.problems import info_from, info_of, record_of
from asyncflow.worker.report import decode, encode, outcome_of
from asyncflow.worker.usage import SharedMeter
from tests.unit.worker import test_failures, test_transitions
from tests.unit.worker.player import Player

ERROR = ErrorInfo("a.B", "why", "Traceback", ("a.B", "c.D"), False)
USAGE = Usage(1.5, 2.5, 0.25, 1 << 40)
REFS = (ArtifactRef("x", "ab" * 20, 7, "builtins.int"), ArtifactRef("y", "cd" * 20, 8, "numpy.ndarray"))


@pytest.mark.parametrize(
    "outcome",
    [
        Succeeded(),
        Succeeded(width=0),
        Succeeded(width=5, chosen="a", caught=ERROR, artifacts=REFS, usage=USAGE),
        Failed(error=ERROR),
        Failed(error=ErrorInfo("killed", ""), artifacts=REFS, usage=USAGE),
    ],
)
def test_a_report_says_what_was_put_in(outcome: Outcome) -> None:
    assert decode(encode(Attempt(12, 3), outcome)) == (Attempt(12, 3), outcome)
    assert isinstance(decode(encode(Attempt(12, 3), outcome))[0], Attempt)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_report_are_an_internal_error(data: bytes) -> None:
    with pytest.raises(InternalError, match="cannot be read"):
        decode(data)


def test_a_report_that_is_cut_off_is_an_internal_error() -> None:
    whole = encode(Attempt(1, 0), Succeeded(artifacts=REFS))
    for length in range(len(whole)):
        with pytest.raises(InternalError):
            decode(whole[:length])


def test_the_manifest_tells_the_same_outcome_as_the_report(store: LocalStore) -> None:
    test_failures.DO["it"] = test_failures.nothing
    player = Player(test_failures.Fragile, store)
    good = player.play("start")
    test_failures.DO["it"] = test_failures.divide
    bad = player.play("start")
    caught = player.play("guarded", good, catches=True)
    test_transitions.VALUES["items"] = lambda: [1, 2]
    wide = Player(test_transitions.Fan, LocalStore(store.root + "2")).play("start")
    for played in (good, bad, caught, wide):
        assert outcome_of(played.manifest) == played.outcome


def test_parameters_are_where_every_task_begins(store: LocalStore) -> None:
    key = write_parameters(store, 7, "F", {"alpha": 0.5}, {"K": [1]}, {"steps": {"a": {"doc": "x" * 3000}}})
    assert key == ManifestKey(7, 0, 0)
    manifest = store.read_manifest(*key)
    assert (manifest.step, manifest.is_ok) == ("_parameters", True)
    values = {name: store.load(record) for name, record in manifest.artifacts.items()}
    assert values == {
        "K": [1],
        "alpha": 0.5,
        "name": "F",
        "_graph_info": {"steps": {"a": {"doc": "x" * 3000}}},
    }
    assert manifest.artifacts["_graph_info"].inline is None


def test_a_parameter_that_cannot_be_stored_is_named(store: LocalStore) -> None:
    with pytest.raises(UnpicklableArtifact, match=r"self\.lock"):
        write_parameters(store, 7, "F", {"lock": threading.Lock()}, {}, {})


def test_a_group_of_exceptions_says_which_kinds_are_in_it_each_once() -> None:
    group = ExceptionGroup("g", [KeyError(1), ExceptionGroup("h", [KeyError(2), OSError(3)])])
    told = info_of(group)
    assert [leaf[0] for leaf in told.leaves] == ["builtins.KeyError", "builtins.OSError"]
    assert "builtins.LookupError" in told.leaves[0]
    attempt = Attempt(1, 0)
    assert decode(encode(attempt, Failed(error=told))) == (attempt, Failed(error=told))
    assert info_from(record_of(told)) == told


def test_no_processor_time_is_told_of_an_attempt_that_shares_its_process() -> None:
    meter = SharedMeter()
    sum(range(300_000))
    usage = meter.read()
    assert usage.cpu_s == 0
    assert usage.ended_at >= usage.started_at > 0
    assert usage.max_rss_bytes > 0
