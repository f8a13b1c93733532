"""Flows as Metaflow's users write them run unchanged: pandas, scikit-learn, plots, configs, files, loops, gangs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asyncflow import Run, metadata, namespace
from asyncflow.client.place import default_metadata, default_namespace
from tests.cli.place import Place

pytestmark = pytest.mark.slow
FLOWS = Path(__file__).with_name("flows")

EXPECTED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "churn_model": (
        "ChurnModelFlow",
        lambda data: set(data.scores) == {"logistic", "forest"} and data.scores[data.best] > 0.8,
    ),
    "sales_report": (
        "SalesReportFlow",
        lambda data: data.table.shape == (12, 3) and list(data.plots) == ["north", "south", "west"],
    ),
    "grid_search": ("GridSearchFlow", lambda data: data.tried == 12 and data.results["iris"][1] > 0.9),
    "etl_quality": ("EtlQualityFlow", lambda data: data.was_repaired and len(data.by_country) == 4),
    "configured_training": (
        "ConfiguredTrainingFlow",
        lambda data: data.error < 0.1 and len(data.losses) == 300 and data.threads == "1",
    ),
    "text_features": (
        "TextFeaturesFlow",
        lambda data: (
            (data.longest, data.finished_by, data.most_common[0][0]) == ("foolishness", "analytics", "of")
        ),
    ),
    "api_crawl": (
        "ApiCrawlFlow",
        lambda data: (
            len(data.items) == 70 and data.second_tries == 3 and "page 5 is private" in data.failed[0]
        ),
    ),
    "newton": (
        "NewtonFlow",
        lambda data: abs(data.guess - 2**0.5) < 1e-9 and data.rounds == len(data.history) - 1,
    ),
    "nightly_forecast": (
        "NightlyForecastFlow",
        lambda data: (
            [(one.store, one.product) for one in data.forecasts]
            == [("north", "bread"), ("north", "milk"), ("south", "bread"), ("south", "milk")]
            and data.problems == ["store tiny has 2 rows only"] * 2
            and data.stores_seen == ["north", "south", "tiny"]
            and data.published_as.startswith("forecasting/user.")
        ),
    ),
    "model_report": (
        "ModelReportFlow",
        lambda data: set(data.scores) == {"logistic", "forest"} and min(data.scores.values()) > 0.9,
    ),
    "bootstrap": (
        "BootstrapFlow",
        lambda data: (
            data.low < 5.0 < data.high and data.nodes == [(0, 3), (1, 3), (2, 3)] and data.doubled > 9.9
        ),
    ),
}


def data_of(root: Path, flow: str) -> Any:
    metadata(str(root))
    namespace(None)
    try:
        run = Run(f"{flow}/1")
        assert run.successful
        return run.data
    finally:
        default_metadata()
        default_namespace()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    for file in FLOWS.iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    return Place(tmp_path, {"MPLCONFIGDIR": str(tmp_path / "mpl"), "OMP_NUM_THREADS": "1"})


@pytest.mark.parametrize("name", EXPECTED)
def test_it_runs_unchanged(place: Place, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flow, is_right = EXPECTED[name]
    ended = place.run("run", f"{name}.py")
    assert ended.code == 0, ended.stdout[-3000:] + ended.stderr
    monkeypatch.syspath_prepend(str(place.root))  # for classes that the flow's file defines
    assert is_right(data_of(place.root, flow))


@pytest.mark.parametrize("name", ["churn_model", "nightly_forecast", "configured_training", "text_features"])
def test_it_runs_as_a_script_too(place: Place, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flow, is_right = EXPECTED[name]
    program = (sys.executable, "-m", "asyncflow.compat", f"{name}.py")
    ended = place.run("--quiet", "--no-pylint", "run", "--max-workers", "2", program=program)
    assert ended.code == 0, ended.stdout[-3000:] + ended.stderr
    monkeypatch.syspath_prepend(str(place.root))
    assert is_right(data_of(place.root, flow))
