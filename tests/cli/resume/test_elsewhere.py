"""Resuming a run of another store: it has to be named."""

from __future__ import annotations

from tests.cli.place import Place


def test_a_run_of_another_store_is_not_there_until_that_store_is_named(place: Place) -> None:
    flow = place.flow("letters")
    elsewhere = Place(place.root, {**place.extra, "ASYNCFLOW_HOME": str(place.root / "elsewhere")})
    here = Place(place.root, {**place.extra, "ASYNCFLOW_HOME": str(place.root / "here")})
    assert (
        here.run("run", flow).code == elsewhere.run("run", flow).code == elsewhere.run("run", flow).code == 0
    )
    told = here.run("resume", "2")
    assert (told.code, "There is no run 2" in told.stderr) == (2, True)
    assert elsewhere.run("resume", "2").code == 0
