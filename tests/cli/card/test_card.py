"""`asyncflow card`: the cards of a real run, whole, live, failed, resumed; and what is told when there are none."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncflow import Run, Task, metadata, namespace
from asyncflow.cards import get_cards, tree
from asyncflow.client.cards import plain_card
from asyncflow.client.errors import InvalidPathspec, NoSuchObject
from asyncflow.client.place import default_metadata, default_namespace, get_namespace
from tests.cli.place import Place

HASH = re.compile(r"\b[0-9a-f]{8,40}\b")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A store with run 1, which went well, and run 2, whose end was caught. Only to look at."""
    root = tmp_path_factory.mktemp("carded")
    place = Place(root, {"ASYNCFLOW_HOME": str(root / "store")})
    assert place.run("run", place.flow("carded")).code == 0
    assert place.run("run", place.flow("carded"), "--fail", "true").code == 0
    return place


@pytest.fixture
def reading(done: Place) -> Iterator[Place]:
    metadata(str(done.root / "store"))
    namespace(None)
    yield done
    default_metadata()
    default_namespace()


def steady(text: str) -> str:
    return HASH.sub("HASH", text)


def test_cards_are_listed(done: Place) -> None:
    ended = done.run("card", "list", "1")

    assert (ended.code, ended.stderr) == (0, "")
    assert [line.split() for line in steady(ended.stdout).splitlines()] == [
        ["task", "type", "id", "hash"],
        ["1/start/1", "default", "HASH"],
        ["1/start/1", "blank", "table", "HASH"],
        *[[f"1/train/{task}", "default", "HASH"] for task in (2, 3, 4)],
        ["1/live/6", "default", "HASH"],
        ["1/end/7", "default", "HASH"],
    ]
    told = json.loads(done.run("card", "list", "1/start", "--type", "blank", "--json").stdout)
    assert [(one["pathspec"], one["type"], one["id"], one["live"]) for one in told] == [
        ("CardedFlow/1/start/1", "blank", "table", False)
    ]
    assert done.run("card", "list", "1/join").stderr == (
        "No task of 1/join has a card of its own. Each has the default one: asyncflow card view\n"
    )


def test_a_card_is_one_file_that_needs_nothing_beside_it(done: Place) -> None:
    file = done.root / "card.html"
    ended = done.run("card", "get", "1/start/1", "card.html", "--type", "default")
    assert (ended.code, ended.stdout, ended.stderr) == (0, "", "")

    html = file.read_text()

    assert html.startswith("<!doctype html>")
    assert "<h1>How it <em>went</em></h1>" in html
    for words in (
        "this was printed",
        "How fast.",
        "numbers",
        "CardedFlow",
        "succeeded",
        "&lt;script&gt;alert(1)",
    ):
        assert words in html, words
    assert "<script" not in html
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", html)
    assert len(html) < 40_000
    assert done.steady(html.encode()) == done.run("card", "get", "1/start", "--hash", _hash(done, 0)).stdout


def _hash(place: Place, number: int) -> str:
    return json.loads(place.run("card", "list", "1/start", "--json").stdout)[number]["hash"][:9]


def test_view_writes_a_file_and_tells_where(done: Place) -> None:
    ended = done.run("card", "view", "1/train/2")

    assert (ended.code, ended.stderr) == (0, "")
    path = Path(ended.stdout.strip())
    assert "trained 0" in path.read_text()
    path.unlink()


def test_all_cards_of_a_run_are_exported(done: Place) -> None:
    ended = done.run("card", "export", "1", "--to", "out")

    assert ended.code == 0
    assert ended.stdout.split() == [
        "out/start-1.html",
        "out/start-1-blank-table.html",
        *[f"out/train-{task}.html" for task in (2, 3, 4)],
        "out/join-5.html",
        "out/live-6.html",
        "out/end-7.html",
    ]
    assert "Just a table" in (done.root / "out/start-1-blank-table.html").read_text()


def test_the_flows_own_file_knows_the_same_words(done: Place) -> None:
    ended = done.script_of(done.flow("carded"), "card", "list", "latest/start")

    assert [line.split()[0] for line in ended.stdout.splitlines()] == ["task", "2/start/1", "2/start/1"]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (
            ("get", "1/start/1"),
            "Invalid command:\n"
            "    Task 1/start/1 has 2 such cards: default (HASH), blank --id table (HASH)\n"
            "    Say which: --id, --type or --hash.\n",
        ),
        (
            ("get", "1/start/1", "--id", "nope"),
            "Object not found:\n"
            "    Task 1/start/1 has no such card\n"
            "    It has default (HASH), blank --id table (HASH). List cards: asyncflow card list 1/start/1\n",
        ),
        (
            ("view", "1/join/5", "--type", "blank"),
            "Object not found:\n"
            "    Task 1/join/5 has no such card\n"
            "    Its step has no @card. List cards: asyncflow card list 1/join/5\n",
        ),
        (
            ("get", "1/train"),
            "Invalid command:\n"
            "    1/train has 3 tasks, and a card is one task's\n"
            "    Name one: 1/train/2, 1/train/3, 1/train/4. List cards: asyncflow card list 1/train\n",
        ),
        (
            ("get", "1/nope"),
            "Object not found:\n"
            "    Run 1 has no step 'nope'\n"
            "    Its steps are start, train, join, live, end.\n",
        ),
        (
            ("export", "1/join", "--type", "blank"),
            "Object not found:\n    1/join has no such card\n    List cards: asyncflow card list 1/join\n",
        ),
        (
            ("get", "1/end/7", "store/asyncflow.db/x.html"),
            "Invalid command:\n"
            "    store/asyncflow.db/x.html cannot be written: Not a directory\n"
            "    Name another place.\n",
        ),
    ],
)
def test_what_cannot_be_is_told_in_words(done: Place, args: tuple[str, ...], told: str) -> None:
    ended = done.run("card", *args)

    assert (ended.stdout, steady(ended.stderr)) == ("", told)
    assert ended.code == 2


def test_programs_read_cards(reading: Place) -> None:
    cards = get_cards("CardedFlow/1/start/1")

    assert [(card.type, card.id) for card in cards] == [("default", None), ("blank", "table")]
    assert [card.id for card in get_cards(Task("CardedFlow/1/start/1"), type="blank")] == ["table"]
    assert [card.type for card in get_cards("CardedFlow/1/start/1", id="table")] == ["blank"]
    assert list(get_cards("CardedFlow/1/join/5")) == []
    assert [card.type for card in Task("CardedFlow/1/live/6").cards] == ["default"]
    default, table = cards
    assert "How it" in default.html
    assert default.html == default.get()
    assert default._repr_html_().startswith("<iframe sandbox")
    assert cards._repr_html_().count("<iframe") == 2
    assert Path(default.path).exists()
    assert (default.from_resumed, default.get_data()) == (False, None)
    assert [type(node) for node in table.page().nodes] == [tree.Table]
    assert get_namespace() is None


def test_the_default_card_has_what_is_known_of_a_task(reading: Place) -> None:
    nodes = get_cards("CardedFlow/1/train/3")[0].page().nodes

    metric, log, dag, task, parameters, inherited, tail = nodes
    assert isinstance(metric, tree.Metric)
    assert len(metric.series[0].y) == 5
    assert isinstance(log, tree.Log)
    assert log.text == "trained 1"
    assert isinstance(dag, tree.Dag)
    assert (dag.current, [step.name for step in dag.steps]) == (
        "train",
        ["start", "train", "join", "live", "end"],
    )
    assert isinstance(task, tree.Section)
    assert {"began", "took", "branch", "ran on"} <= {name for name, _ in task.nodes[0].rows}  # pyright: ignore[reportAttributeAccessIssue]
    assert isinstance(parameters, tree.Section)
    assert ("rate", "0.5", "How fast.") in parameters.nodes[0].rows  # pyright: ignore[reportAttributeAccessIssue]
    assert isinstance(inherited, tree.Section)
    assert [one.name for one in inherited.nodes if isinstance(one, tree.Artifact)] == ["numbers", "note"]
    assert isinstance(tail, tree.Section)


def test_a_failure_that_was_caught_stands_at_the_top(reading: Place) -> None:
    page = get_cards("CardedFlow/2/end/7")[0].page()

    error, text = page.nodes[:2]
    assert isinstance(error, tree.Error)
    assert (error.title, error.message) == ("ValueError (taken by @catch)", "a <bad> end")
    assert text == tree.Text(text="before it failed")
    assert page.status == "caught"


def test_every_task_has_a_default_card_though_its_step_has_none(reading: Place) -> None:
    card = plain_card(Task("CardedFlow/1/join/5"))

    assert (card.is_implied, card.type) == (True, "default")
    assert "CardedFlow" in card.html


def test_what_is_no_task_is_told(reading: Place) -> None:
    with pytest.raises(InvalidPathspec, match="'CardedFlow/1' names no task"):
        get_cards("CardedFlow/1")
    with pytest.raises(NoSuchObject):
        get_cards("CardedFlow/1/start/99")
    with pytest.raises(InvalidPathspec):
        get_cards(3)


def test_a_running_task_shows_its_card_and_later_its_last_one(tmp_path: Path) -> None:
    place = Place(tmp_path, {"ASYNCFLOW_HOME": str(tmp_path / "store")})
    go = tmp_path / "go"
    run = place.start("run", place.flow("carded"), "--wait", str(go))
    try:
        live = _live_card(place)
        assert live.page().nodes[0] == tree.Progress(id="bar", label="waiting", value=5.0, max=10.0)
        assert live.page().is_live
        assert "live" in place.run("card", "list", "1/live").stdout
        assert '<span class="live">live</span>' in place.run("card", "get", "1/live").stdout
        go.touch()
        assert place.end_of(run).code == 0
        (last,) = get_cards("CardedFlow/1/live/6")
        assert not last.is_live
        assert last.page().nodes[0] == tree.Progress(id="bar", label="waiting", value=10.0, max=10.0)
        assert list((tmp_path / "store/runs/1/0").glob("*.cards")) == []
    finally:
        go.touch()
        run.wait(20)
        default_metadata()
        default_namespace()


def _live_card(place: Place):  # noqa: ANN202
    until = time.monotonic() + 30
    while True:
        assert time.monotonic() < until
        try:
            metadata(str(place.root / "store"))
            cards = [card for card in get_cards("CardedFlow/1/live/6") if card.is_live]
        except Exception:
            cards = []
        if cards:
            return cards[0]
        time.sleep(0.01)


@pytest.mark.slow
def test_cards_of_resumed_runs_are_found_at_their_origin_and_survive_cleaning(tmp_path: Path) -> None:
    place = Place(tmp_path, {"ASYNCFLOW_HOME": str(tmp_path / "store")})
    assert place.run("run", place.flow("carded")).code == 0
    assert place.script("carded", "resume", "live", "--origin-run-id", "1").code == 0
    try:
        metadata(str(tmp_path / "store"))
        namespace(None)
        start = Run("CardedFlow/2")["start"].task
        assert start is not None
        (default, _) = get_cards(start)
        assert default.from_resumed
        assert default.origin_pathspec == "CardedFlow/1/start/1"
        assert "this was printed" in default.html
        assert list(get_cards(start, follow_resumed=False)) == []
        assert place.run("gc", "--grace", "0").code == 0
        assert all(card.html for card in get_cards("CardedFlow/1/start/1"))
    finally:
        default_metadata()
        default_namespace()


ODD = """
import time
from asyncflow import FlowSpec, cache, card, current, step
from asyncflow.cards import Component

class Endless(Component):
    def render(self):
        time.sleep(3600)

class OddFlow(FlowSpec):
    @cache
    @card
    @step
    def start(self):
        current.card.append("made once")
        self.next(self.shared)

    @card(timeout=0.3)
    @step
    async def shared(self):
        current.card.append(Endless())
        self.next(self.end)

    @step
    def end(self):
        import os
        os._exit(3)
"""


@pytest.mark.slow
def test_cards_of_cached_hung_and_dead_tasks(tmp_path: Path) -> None:
    place = Place(tmp_path, {"ASYNCFLOW_HOME": str(tmp_path / "store")})
    (tmp_path / "odd.py").write_text(ODD)
    assert place.run("run", "odd.py").code == 1
    assert place.run("run", "odd.py").code == 1
    try:
        metadata(str(tmp_path / "store"))
        namespace(None)
        (taken_over,) = get_cards("OddFlow/2/start/1")
        manifest = Task("OddFlow/2/start/1").manifest()
        assert manifest is not None
        assert manifest.reused == (1, 1, 0), "@cache takes no notice of what is put on a card"
        assert taken_over.page().nodes[0] == tree.Text(text="made once")
        (hung,) = get_cards("OddFlow/1/shared/2")
        assert hung.page().nodes[0] == tree.Error(title="The card took longer than its timeout of 0.3 s")
        dead = plain_card(Task("OddFlow/1/end/3")).page()
        assert isinstance(dead.nodes[0], tree.Error)
        assert dead.status == "failed"
    finally:
        default_metadata()
        default_namespace()


LARGE = """
import random
from asyncflow import FlowSpec, card, current, step

class LargeFlow(FlowSpec):
    @card
    @step
    def start(self):
        current.card.append(" ".join(str(random.random()) for _ in range(3000)))
        self.next(self.end)

    @step
    def end(self):
        pass
"""


@pytest.mark.slow
def test_a_large_card_survives_cleaning_and_is_missed_when_it_is_lost(tmp_path: Path) -> None:
    place = Place(tmp_path, {"ASYNCFLOW_HOME": str(tmp_path / "store")})
    (tmp_path / "large.py").write_text(LARGE)
    assert place.run("run", "large.py").code == 0
    assert place.run("gc", "--grace", "0").code == 0
    digest = json.loads(place.run("card", "list", "1", "--json").stdout)[0]["hash"]
    blob = tmp_path / "store/blobs" / digest[:2] / digest[2:]
    assert blob.exists()
    assert len(place.run("card", "get", "1/start").stdout) > 50_000
    assert place.run("doctor", "--thorough").code == 0

    blob.unlink()

    ended = place.run("card", "get", "1/start")
    assert (ended.code, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Store error:")
    assert "Card `default`" in ended.stderr
    doctor = place.run("doctor")
    assert f"card default: blob {digest} is missing" in doctor.stdout + doctor.stderr
