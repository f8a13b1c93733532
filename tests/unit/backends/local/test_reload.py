"""A flow in a fresh interpreter has what `--with` has put on it in this one."""

from __future__ import annotations

import pytest

from asyncflow.backends.local.reload import attached_to, load_again
from asyncflow.flow.decorators import attach, decorators_of
from asyncflow.flow.errors import FlowLoadError
from asyncflow.flow.load import load_flow
from tests.contract.backend_suite import FLOW_FILE


def test_attached_decorators_come_along() -> None:
    here = load_flow(str(FLOW_FILE))
    attach(here, "catch:var=problem")
    attach(here, 'environment:vars={"A": "b"}')
    attached = attached_to(here)
    again = load_again(str(FLOW_FILE), "Behaviours", attached)
    assert again is not here
    assert decorators_of(again, "start") == decorators_of(here, "start")
    assert len(decorators_of(again, "start")) == 2


def test_a_flow_as_it_stands_in_its_file_comes_as_it_is() -> None:
    again = load_again(str(FLOW_FILE), "Behaviours", attached_to(load_flow(str(FLOW_FILE))))
    assert decorators_of(again, "start") == ()


def test_a_class_that_is_gone_is_told() -> None:
    with pytest.raises(FlowLoadError, match="has no flow Other"):
        load_again(str(FLOW_FILE), "Other", attached_to(load_flow(str(FLOW_FILE))))
