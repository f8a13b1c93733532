"""Labels and names: legal, and found again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncflow.backends.kubernetes.manifest import pod_of, pod_shape
from asyncflow.backends.kubernetes.names import Identity, attempts_of, identity_of, legal_label, selector
from asyncflow.flow.compute_values import is_label_value
from asyncflow.machine.ids import Attempt
from tests.unit.backends.kubernetes.jobs import job, resolved


@given(st.text(max_size=100))
def test_a_label_is_always_legal(value: str) -> None:
    assert is_label_value(legal_label(value))


@given(st.text(max_size=80), st.text(max_size=80))
def test_labels_are_equal_only_for_equal_values(one: str, other: str) -> None:
    assert (legal_label(one) == legal_label(other)) is (one == other)


def test_a_value_that_is_legal_stays() -> None:
    assert legal_label("Training_Flow-2.1") == "Training_Flow-2.1"


def test_a_pod_is_known_again_by_its_labels() -> None:
    one = job(5, 2)
    made = pod_of(one, pod_shape(one, resolved(one)))
    assert identity_of(made["metadata"]) == Identity("0badcafe", 7, Attempt(5, 2))


def test_a_gangs_pod_is_known_by_its_index() -> None:
    metadata = {
        "labels": {"asyncflow/owner": "0badcafe", "asyncflow/run": "7", "asyncflow/gang": "19"},
        "annotations": {
            "asyncflow/gang-attempts": "[[20,0],[21,0]]",
            "batch.kubernetes.io/job-completion-index": "1",
        },
    }
    assert identity_of(metadata) == Identity("0badcafe", 7, Attempt(21, 0))
    assert list(attempts_of(metadata)) == [Attempt(20, 0), Attempt(21, 0)]


def test_what_is_not_ours_is_nobody() -> None:
    assert identity_of({}) is None
    assert identity_of({"labels": {"asyncflow/owner": "x", "asyncflow/run": "seven"}}) is None
    assert identity_of({"labels": {"asyncflow/owner": "x", "asyncflow/run": "7"}}) is None
    assert list(attempts_of({"annotations": {"asyncflow/gang-attempts": "{"}})) == []


def test_objects_are_selected_by_owner_and_run() -> None:
    assert selector("0badcafe") == "asyncflow/owner=0badcafe"
    assert selector("0badcafe", 7) == "asyncflow/owner=0badcafe,asyncflow/run=7"
