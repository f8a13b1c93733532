"""Steps with @card: what `current.card` means, what stays of it, and that no card fails a task."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asyncflow import FlowSpec, card, current, step
from asyncflow.cards import Card, Component, Markdown, ProgressBar, tree
from asyncflow.cards.codec import unpack
from asyncflow.cards.live import read_live, stamp_of
from asyncflow.flow.decorators import parse_spec
from asyncflow.flow.errors import DecoratorAttributeError
from asyncflow.machine.outcome import Succeeded
from asyncflow.store.layout import live_cards_path
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import CardRecord
from asyncflow.worker.publishing import Publisher
from tests.unit.worker.player import RUN, Played, Player

DO: dict[str, Callable[[Any], None]] = {}


class Greeting(Card):
    type = "greeting_of_test"
    ALLOW_USER_COMPONENTS = True

    def render(self, task: Any) -> Any:
        return [Markdown(f"{self.options['word']} {self.flow.x}"), *self.components]


class PageOfTest(Card):
    type = "page_of_test"

    def __init__(self, options: Any = None, components: Any = (), graph: Any = None) -> None:
        super().__init__(options, components, graph)

    def render(self, task: Any) -> str:
        return f"<h1>{len(self.graph['steps'])} steps</h1>"


class Live(Card):
    type = "live_of_test"
    RUNTIME_UPDATABLE = True

    def render_runtime(self, task: Any, data: Any) -> Any:
        return f"<p>{data}</p>"


class Carded(FlowSpec):
    """A step for each set of cards a test needs; does what the test says."""

    def do(self) -> None:
        DO["it"](self)

    @card
    @step
    def start(self) -> None:
        self.do()
        self.next(self.several)

    @card(type="blank", id="second", options={"title": "Mine"})
    @card
    @step
    def several(self) -> None:
        self.do()
        self.next(self.ambiguous)

    @card(id="one")
    @card(id="two")
    @step
    def ambiguous(self) -> None:
        self.do()
        self.next(self.chosen)

    @card(id="one", customize=True)
    @card
    @step
    def chosen(self) -> None:
        self.do()
        self.next(self.own)

    @card(type="greeting_of_test", options={"word": "hello"}, id="g")
    @card(type="page_of_test", id="p")
    @card(type="no_such_type", id="n")
    @card(type="no_such_type", save_errors=False)
    @step
    def own(self) -> None:
        self.do()
        self.next(self.quick)

    @card(timeout=0.1, id="bad id")
    @step
    def quick(self) -> None:
        self.do()
        self.next(self.live)

    @card(type="live_of_test")
    @step
    def live(self) -> None:
        self.do()
        self.next(self.end)

    @step
    def end(self) -> None:
        self.do()


@pytest.fixture
def play(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, Callable[[Any], None]], Played]:
    player = Player(Carded, store)
    first: list[Played] = []

    def played(name: str, it: Callable[[Any], None]) -> Played:
        if not first and name != "start":
            monkeypatch.setitem(DO, "it", lambda flow: setattr(flow, "x", 1))
            first.append(player.play("start"))
        monkeypatch.setitem(DO, "it", it)
        return player.play(name, first[0] if first else None)

    return played


Play = Callable[[str, Callable[[Any], None]], Played]


def body(store: LocalStore, record: CardRecord) -> tree.Body:
    return unpack(store.read_card(record), tree.Body)


def text_of(node: tree.Node) -> str:
    assert isinstance(node, tree.Markdown | tree.Text), node
    return node.text


def test_what_is_put_on_the_card_stays_as_it_is_at_the_end(play: Play, store: LocalStore) -> None:
    def it(flow: Any) -> None:
        flow.x = 3
        bar = ProgressBar(10)
        current.card.append(Markdown("first"), id="words")
        current.card.extend([bar, "plain"])
        bar.update(7)
        current.card.components["words"].update("changed")

    (record,) = play("start", it).manifest.cards

    left = body(store, record)
    assert (record.type, record.id) == ("default", "")
    assert record.inline is not None, "a small card costs no file"
    assert left.nodes == (
        tree.Markdown(id="words", text="changed"),
        tree.Progress(value=7.0, max=10.0),
        tree.Text(text="plain"),
    )
    assert [(one.name, one.type, one.preview) for one in left.artifacts] == [
        ("x", "int", tree.Text(text="3"))
    ]


def test_a_large_card_is_a_blob_that_is_kept(play: Play, store: LocalStore) -> None:
    import random

    words = " ".join(str(random.random()) for _ in range(3_000))

    manifest = play("start", lambda _: current.card.append(Markdown(words))).manifest

    assert manifest.cards[0].inline is None
    assert store.has_blob(manifest.cards[0].digest)
    from asyncflow.store.sweep import digests_of

    assert manifest.cards[0].digest in list(digests_of(manifest))


def test_a_failed_task_has_its_card(play: Play, store: LocalStore) -> None:
    def it(flow: Any) -> None:
        current.card.append(Markdown("so far"))
        flow.x = 1
        raise ValueError("bad")

    played = play("start", it)

    assert played.error.message == "bad"
    assert [text_of(node) for node in body(store, played.manifest.cards[0]).nodes] == ["so far"]


def test_a_step_without_a_card_has_no_current_card(play: Play) -> None:
    played = play("end", lambda _: current.card.append("x"))

    assert played.error.type == "builtins.AttributeError"
    assert "the step has no @card" in played.error.message


def test_of_several_cards_current_card_is_the_one_without_an_id(play: Play, store: LocalStore) -> None:
    def it(_flow: Any) -> None:
        current.card.append("to the default")
        current.card["second"].append("to the second")
        current.card["second"].clear()
        current.card["second"] = ["instead"]
        assert [hand.id for hand in current.card.get(type="blank")] == ["second"]
        assert len(current.card["second"].components) == 1

    second, default = play("several", it).manifest.cards

    assert (second.type, second.id) == ("blank", "second")
    assert [text_of(node) for node in body(store, second).nodes] == ["instead"]
    assert (body(store, second).title, body(store, second).has_frame) == ("Mine", False)
    assert [text_of(node) for node in body(store, default).nodes] == ["to the default"]


def test_where_it_is_not_clear_which_card_is_meant_a_warning_is_all(
    play: Play, store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    def it(_flow: Any) -> None:
        current.card.append("lost")
        current.card.append("lost, too")
        current.card["three"].append("lost")
        current.card.components["none"].update("lost")

    played = play("ambiguous", it)

    told = capsys.readouterr().err
    assert isinstance(played.outcome, Succeeded)
    assert [body(store, record).nodes for record in played.manifest.cards] == [(), ()]
    assert told.count("it is not clear which one current.card means") == 1
    assert "the step has no card 'three' (one, two)" in told
    assert "the card has no component 'none'" in told


def test_customize_says_which_card_is_meant(play: Play, store: LocalStore) -> None:
    one, default = play("chosen", lambda _: current.card.append("x")).manifest.cards

    assert [text_of(node) for node in body(store, one).nodes] == ["x"]
    assert body(store, default).nodes == ()


def test_cards_of_ones_own_return_components_or_a_page(
    play: Play, store: LocalStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncflow.worker.dealing.task_of", lambda *_: None)

    def it(flow: Any) -> None:
        flow.x = 5
        current.card["g"].append("more")

    cards = {record.id: record for record in play("own", it).manifest.cards}

    assert list(cards) == ["g", "p", "n"], "the one with save_errors=False left nothing"
    assert [text_of(node) for node in body(store, cards["g"]).nodes] == ["hello 5", "more"]
    assert body(store, cards["p"]).nodes == (tree.Html(html="<h1>8 steps</h1>"),)
    error = body(store, cards["n"]).nodes[0]
    assert isinstance(error, tree.Error)
    assert error.message.startswith("There is no card of type 'no_such_type': known are blank, default, ")
    assert capsys.readouterr().err.count("There is no card of type 'no_such_type'") == 2


class Endless(Component):
    def render(self) -> str:
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                continue


def test_a_card_that_takes_too_long_is_given_up(
    play: Play, store: LocalStore, capsys: pytest.CaptureFixture[str]
) -> None:
    played = play("quick", lambda _: current.card.extend(["before", Endless(), "after"]))

    (record,) = played.manifest.cards
    assert isinstance(played.outcome, Succeeded)
    assert body(store, record).nodes == (
        tree.Text(text="before"),
        tree.Error(title="The card took longer than its timeout of 0.1 s"),
    )
    assert record.id == ""
    assert "@card has id='bad id', which is ignored" in capsys.readouterr().err


def test_a_component_that_fails_is_an_error_among_the_others(play: Play, store: LocalStore) -> None:
    class Broken(Component):
        def render(self) -> str:
            sys.exit(3)

    class Wrong(Component):
        def render(self) -> str:
            raise OSError("no such thing")

    def it(_flow: Any) -> None:
        current.card.extend(["before", Wrong(), "after"])

    nodes = body(store, play("start", it).manifest.cards[0]).nodes
    assert isinstance(nodes[1], tree.Error)
    assert nodes[1].message == "OSError: no such thing"
    assert [text_of(nodes[0]), text_of(nodes[2])] == ["before", "after"]


# While the task runs


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.002)


def test_refresh_shows_the_card_to_those_who_watch_and_its_end_takes_that_away(
    play: Play, store: LocalStore
) -> None:
    seen: list[Any] = []

    def it(_flow: Any) -> None:
        bar = ProgressBar(10)
        current.card.append(bar)
        for number in range(1, 4):
            bar.update(number)
            current.card.refresh(force=True)
            live = read_live(store.root, RUN, 1, 0)
            assert live is not None
            (record,) = live.cards
            seen.append((live.number, unpack(record.inline or b"", tree.Body).nodes))
            current.card.refresh(force=True)  # nothing is new: nothing is written
        assert stamp_of(store.root, RUN, 1, 0) is not None

    played = play("start", it)

    assert isinstance(played.outcome, Succeeded), played.outcome
    assert seen == [(n, (tree.Progress(value=float(n), max=10.0),)) for n in (1, 2, 3)]
    assert not Path(live_cards_path(store.root, RUN, 1, 0)).exists()


def test_many_refreshes_are_few_writes_and_the_last_state_gets_out(play: Play, store: LocalStore) -> None:
    states: list[float] = []
    told: list[int] = []

    def shown() -> float:
        live = read_live(store.root, RUN, 1, 0)
        if live is None:
            return -1.0
        told.append(live.number)
        node = unpack(live.cards[0].inline or b"", tree.Body).nodes[0]
        assert isinstance(node, tree.Progress)
        return node.value

    def it(_flow: Any) -> None:
        bar = ProgressBar(100)
        current.card.append(bar)
        for number in range(1, 101):
            bar.update(number)
            current.card.refresh()
            states.append(shown())
            time.sleep(0.002)
        wait_until(lambda: shown() == 100.0)

    assert isinstance(play("start", it).outcome, Succeeded)
    assert max(told) < 20, "a refresh every 2 ms for 0.2 s, shown every 0.25 s"


def test_a_card_of_ones_own_shows_what_refresh_was_given(
    play: Play, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncflow.worker.dealing.task_of", lambda *_: None)
    seen: list[tree.Body] = []

    def it(_flow: Any) -> None:
        current.card.refresh({"loss": 0.5}, force=True)
        live = read_live(store.root, RUN, 2, 0)
        assert live is not None
        seen.append(unpack(live.cards[0].inline or b"", tree.Body))

    assert isinstance(play("live", it).outcome, Succeeded)
    assert seen[0].nodes == (tree.Html(html="<p>{'loss': 0.5}</p>"),)
    assert seen[0].data == '{\n  "loss": 0.5\n}'


def test_a_full_disk_is_told_once_and_the_task_goes_on(
    play: Play, store: LocalStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def it(_flow: Any) -> None:
        monkeypatch.setattr("asyncflow.cards.live.write_all", _full)
        for number in range(3):
            current.card.append(str(number))
            current.card.refresh(force=True)
        monkeypatch.undo()

    def _full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    played = play("start", it)

    assert isinstance(played.outcome, Succeeded)
    assert capsys.readouterr().err.count("No space left on device") == 1


def test_the_publisher_publishes_each_when_it_is_due_and_nobody_who_left() -> None:
    class Deck:
        def __init__(self) -> None:
            self.count = 0
            self.done = threading.Event()

        def publish(self) -> None:
            self.count += 1
            self.done.set()

    publisher, soon, late = Publisher(), Deck(), Deck()
    now = time.monotonic()

    publisher.ask(late, now + 0.05)
    publisher.ask(late, now + 100)
    publisher.ask(soon, now)
    publisher.forget(soon, 1)

    assert late.done.wait(10)
    assert late.count == 1
    assert soon.count <= 1


# The decorator


@pytest.mark.parametrize(
    "attributes",
    [
        {"type": ""},
        {"type": 3},
        {"id": 3},
        {"options": "x"},
        {"timeout": 0},
        {"timeout": "soon"},
        {"refresh_interval": -1},
        {"scope": "run"},
        {"colour": "red"},
    ],
)
def test_attributes_that_do_not_fit_are_refused(attributes: dict[str, Any]) -> None:
    def start(self: FlowSpec) -> None: ...

    with pytest.raises(DecoratorAttributeError, match="@card has"):
        card(**attributes)(step(start))


def test_a_card_comes_with_options_from_the_command_line() -> None:
    given = parse_spec('card:type=blank,options={"title": "T, and more"},timeout=3')

    assert (given.type, given.options, given.timeout) == ("blank", {"title": "T, and more"}, 3)  # pyright: ignore[reportAttributeAccessIssue]
