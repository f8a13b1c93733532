"""Questions and pages over a screen: confirm, leave, help, a text to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from asyncflow.text import visible
from asyncflow.tui.keys import KEYS, PLACES

__all__ = ["Choice", "Help", "Prompt", "Reading", "cancel_question"]


class Choice(ModalScreen[str]):
    """Asks one of a few things; Esc is the last of them.

    Args:
        question: One line.
        more: What follows from it, in some lines.
        choices: Key, name and help of each answer; the name is the result.
    """

    def __init__(self, question: str, more: str, choices: Sequence[tuple[str, str, str]]) -> None:
        super().__init__()
        self._question = question
        self._more = more
        self._choices = choices

    def compose(self) -> ComposeResult:
        """Make the box."""
        text = Text(no_wrap=False)
        if self._more:
            text.append(visible(self._more) + "\n\n", "dim")
        for key, name, help_ in self._choices:
            text.append(f"  {key} ", "bold reverse")
            text.append(f"  {name:<9}", "bold")
            text.append(f" {visible(help_)}\n")
        with Vertical(id="box"):
            yield Static(Text(visible(self._question), "bold"), id="question", markup=False)
            yield Static(text, markup=False)

    def on_key(self, event: object) -> None:
        """Take the key of an answer."""
        key = getattr(event, "key", "")
        character = getattr(event, "character", None)
        for of, name, _ in self._choices:
            if character == of or (key == "escape" and name == self._choices[-1][1]):
                getattr(event, "stop", lambda: None)()
                self.dismiss(name)
                return

    def repeat(self) -> None:
        """Ctrl-C while it asks: the first answer."""
        self.dismiss(self._choices[0][1])


class Help(ModalScreen[None]):
    """The keys of where one is, then all others."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "dismiss_help", show=False),
    ]

    def __init__(self, places: Sequence[str]) -> None:
        super().__init__()
        self._places = places

    def compose(self) -> ComposeResult:
        """Make the page."""
        others = [place for place in PLACES if place not in self._places]
        text = Text(no_wrap=True)
        for number, place in enumerate([*self._places, *others]):
            title = PLACES[place] if number else f"{PLACES[place]} (here)"
            text.append(f"{title}\n", "bold underline")
            for key in (key for key in KEYS if key.place == place):
                text.append(f"  {key.shown:<14}", "bold")
                text.append(f"{key.help}\n")
            text.append("\n")
        text.append("Esc closes this page.", "dim")
        with VerticalScroll(id="page"):
            yield Static(text, markup=False)

    def action_dismiss_help(self) -> None:
        """Close the page."""
        self.dismiss(None)


class Reading(ModalScreen[bool]):
    """A text to read, perhaps with something to do about it on Enter.

    Args:
        title: One line.
        text: Any text; shown as data.
        action: What Enter does, in words; empty: Enter closes, too.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "answer(False)", show=False),
        Binding("enter", "answer(True)", show=False),
    ]

    def __init__(self, title: str, text: str, action: str = "") -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._action = action

    def compose(self) -> ComposeResult:
        """Make the page."""
        with Vertical(id="page"):
            yield Static(Text(visible(self._title), "bold"), id="question", markup=False)
            with VerticalScroll():
                yield Static(Text(visible(self._text)), markup=False)
            end = f"Enter: {self._action}   Esc: close" if self._action else "Esc: close"
            yield Static(Text(end, "dim"), id="end", markup=False)

    def action_answer(self, answer: bool) -> None:
        """Close the page."""
        self.dismiss(answer and bool(self._action))


class Prompt(ModalScreen[str | None]):
    """One line of input at the bottom. Esc gives None.

    Args:
        title: What it is for.
        value: What stands there already.
        hint: What can be typed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", show=False)]

    def __init__(self, title: str, value: str = "", hint: str = "") -> None:
        super().__init__()
        self._title = title
        self._value = value
        self._hint = hint

    def compose(self) -> ComposeResult:
        """Make the line."""
        with Vertical(id="line"):
            yield Static(Text(self._title, "bold"), id="question", markup=False)
            yield Input(self._value, placeholder=self._hint, compact=True, select_on_focus=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take what was typed."""
        self.dismiss(event.value)

    def action_give_up(self) -> None:
        """Close without an answer."""
        self.dismiss(None)


def cancel_question(
    run: int, step: str | None, task: int | None
) -> tuple[str, str, tuple[tuple[str, str, str], ...]]:
    """Return title, text and choices of the question what is to be cancelled; None: there is no such thing to name."""
    choices = [
        ("c", "cancel", "the run: its tasks are asked to end, and killed after ten seconds"),
        ("k", "kill", "the run: its tasks are killed at once"),
        ("n", "stay", "go on"),
    ]
    path = str(run)
    if step is not None:
        choices.insert(0, ("s", "step", f"all tasks of {step}; @catch takes them, else the run fails"))
        path = f"{run}/{step}"
    if task is not None:
        choices.insert(0, ("t", "task", f"only task {step}/{task}; @catch takes it, else the run fails"))
        path = f"{run}/{step}/{task}"
    more = f"What is finished is kept. The same by hand: asyncflow cancel {path}"
    return (f"Cancel run {run}?" if step is None else f"Cancel what of run {run}?"), more, tuple(choices)
