"""`import metaflow`, with and without asyncflow behind it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Generator
from types import ModuleType

import pytest

import asyncflow
from asyncflow import compat
from asyncflow.compat.names import MODULES
from asyncflow.errors import UserError


@pytest.fixture
def metaflow() -> Generator[ModuleType]:
    with compat.installed():
        yield importlib.import_module("metaflow")


def test_root_gives_the_classes_of_asyncflow(metaflow: ModuleType) -> None:
    assert metaflow.FlowSpec is asyncflow.FlowSpec
    assert metaflow.step is asyncflow.step
    assert metaflow.current is asyncflow.current
    assert metaflow.Run is asyncflow.Run


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_submodule_can_be_imported_and_every_name_of_its_own_resolves_or_is_missing_cleanly(
    metaflow: ModuleType, module: str
) -> None:
    imported = importlib.import_module(module)
    for name in MODULES[module]:
        if hasattr(imported, name):
            assert getattr(imported, name) is not None


def test_exceptions_are_the_errors_that_asyncflow_raises(metaflow: ModuleType) -> None:
    exception = importlib.import_module("metaflow.exception")
    assert exception.MetaflowException is UserError
    assert exception.MetaflowNotFound is asyncflow.NoSuchObject


def test_a_name_that_is_missing_is_named_with_the_page_that_tells_more(metaflow: ModuleType) -> None:
    with pytest.raises(ImportError, match="NoSuchThing") as raised:
        exec("from metaflow import NoSuchThing")
    assert "docs/compatibility.md" in str(raised.value)


def test_a_module_that_is_missing_is_named(metaflow: ModuleType) -> None:
    with pytest.raises(ImportError, match="no_such_module"):
        importlib.import_module("metaflow.no_such_module")


def test_hasattr_is_false_for_what_is_missing(metaflow: ModuleType) -> None:
    assert not hasattr(metaflow, "NoSuchThing")


def test_a_star_import_gives_all_names(metaflow: ModuleType) -> None:
    names: dict[str, object] = {}
    exec("from metaflow import *", names)
    assert names["FlowSpec"] is asyncflow.FlowSpec


def test_beyond_the_block_an_installed_metaflow_is_back() -> None:
    real = ModuleType("metaflow")
    sys.modules["metaflow"] = real
    try:
        with compat.installed():
            assert importlib.import_module("metaflow") is not real
        assert importlib.import_module("metaflow") is real
    finally:
        del sys.modules["metaflow"]


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASYNCFLOW_COMPAT", "0")
    with compat.installed():
        assert not any(type(finder).__module__ == "asyncflow.compat.finder" for finder in sys.meta_path)


def test_s3_and_its_errors_are_where_metaflow_has_them(metaflow: ModuleType) -> None:
    datatools = importlib.import_module("metaflow.plugins.datatools.s3")
    assert metaflow.S3 is datatools.S3 is asyncflow.S3
    assert issubclass(datatools.MetaflowS3NotFound, datatools.MetaflowS3Exception)
    assert issubclass(
        datatools.MetaflowS3Exception, importlib.import_module("metaflow.exception").MetaflowException
    )


def test_cards_and_components_have_metaflows_names(metaflow: ModuleType) -> None:
    from asyncflow import cards

    home = importlib.import_module("metaflow.cards")
    names = (
        "Artifact Error EventsTimeline Image JSONViewer Markdown MetaflowCard MetaflowCardComponent ProgressBar "
        "PythonCode Table ValueBox VegaChart YAMLViewer get_cards"
    )
    for name in names.split(" "):
        assert getattr(home, name) is getattr(cards, name)
    assert metaflow.card is asyncflow.card
    modules = importlib.import_module("metaflow.plugins.cards.card_modules.components")
    assert modules.Markdown is cards.Markdown
    assert importlib.import_module("metaflow.plugins.cards.card_modules.card").MetaflowCard is cards.Card
