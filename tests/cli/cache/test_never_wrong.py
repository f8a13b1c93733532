"""What was taken over is what a run without @cache makes, whatever way a result depends on code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.cache.attacks import ACTING, ATTACKS, Attack, flow_of
from tests.cli.place import Place

pytestmark = pytest.mark.slow


def results(place: Place, *options: str) -> dict[str, str]:
    """Run the flow; return the results of its steps as text."""
    ended = place.run("run", "attacked.py", "--ui", "plain", *options)
    assert ended.code == 0, ended.stdout + ended.stderr
    shown = place.run("dump", "latest/end", "--max-value-size", "100000").stdout
    lines = [line for line in shown.splitlines() if line.startswith("r_")]
    return {line.split()[0][2:]: line.partition(" = ")[2] for line in lines}


CONTROL = Attack("def f():\n    return 3\n", "m.f()", "", "")
"""Nothing of it changes, so it is taken over, or the test shows nothing."""
TOGETHER = {name: attack for name, attack in ATTACKS.items() if name not in ACTING}


@pytest.mark.parametrize(
    "attacks", [TOGETHER, *({name: ATTACKS[name]} for name in ACTING)], ids=["together", *ACTING]
)
def test_what_is_taken_over_is_what_would_be_made(tmp_path: Path, attacks: dict[str, Attack]) -> None:
    place = Place(tmp_path, {"ASYNCFLOW_HOME": str(tmp_path / "store"), "PYTHONDONTWRITEBYTECODE": "1"})
    everything = {**attacks, "control": CONTROL}
    (tmp_path / "attacked.py").write_text(flow_of(everything))
    for name, attack in everything.items():
        (tmp_path / f"{name}_code.py").write_text(attack.module)
    first = results(place)
    assert set(first) == set(everything)
    for name, attack in attacks.items():
        assert attack.old in attack.module, name
        (tmp_path / f"{name}_code.py").write_text(attack.module.replace(attack.old, attack.new, 1))

    cached = results(place)
    told = json.loads(place.run("why", "latest/do_control", "--json").stdout)
    right = results(place, "--no-cache")
    assert [name for name in attacks if right[name] == first[name]] == [], "the change changes nothing"
    assert [name for name in everything if cached[name] != right[name]] == [], "taken over wrongly"
    assert (told["reused"] is not None) == (attacks is TOGETHER)

    assert results(place) == right
    newest = json.loads(place.run("runs", "--json").stdout)[0]
    assert newest["tasks"]["cloned"] == len(everything), "something ran though nothing has changed"
