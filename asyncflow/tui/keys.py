"""Every key, once: bindings, the help screen, the line at the bottom and docs/dashboard.md are all made from here."""

from __future__ import annotations

from typing import NamedTuple

from textual.binding import Binding, BindingType

__all__ = ["KEYS", "PLACES", "Key", "bindings_of", "hints_of"]


class Key(NamedTuple):
    """One thing that keys do in one place."""

    place: str
    keys: str
    """As Textual names them, with commas between."""
    action: str
    shown: str
    """As people write the keys."""
    help: str
    hint: str = ""
    """For the line at the bottom; empty: not there."""


PLACES = {
    "app": "Everywhere",
    "list": "Lists",
    "runs": "Runs",
    "run": "One run",
    "task": "One task",
    "log": "Logs",
    "card": "Cards",
    "graph": "Graph",
}
"""Where keys are valid, in the order of the help."""

KEYS = (
    Key("app", "question_mark,f1", "app.help", "?", "Help: the keys of where you are", "help"),
    Key("app", "ctrl+p", "app.command_palette", "Ctrl-P", "All commands, by name", "commands"),
    Key("app", "q", "app.leave", "q", "Leave; a run that is watched asks: detach or cancel", "quit"),
    Key("app", "ctrl+c", "app.ask_quit", "Ctrl-C", "Ask: cancel the run, detach, or stay"),
    Key("app", "tab", "app.focus_next", "Tab", "Next pane", "pane"),
    Key("app", "shift+tab", "app.focus_previous", "Shift-Tab", "Pane before"),
    Key("app", "y", "app.copy", "y", "Copy the line, the id, or the traceback (OSC 52)", "copy"),
    Key(
        "app",
        "z",
        "app.zoom",
        "z",
        "Zoom the pane to the whole screen, and back; the mouse then selects text",
        "zoom",
    ),
    Key("app", "T", "app.next_theme", "T", "Next theme"),
    Key("list", "j,down", "move(1)", "j, Down", "Down"),
    Key("list", "k,up", "move(-1)", "k, Up", "Up"),
    Key("list", "ctrl+d,pagedown,space", "page(1)", "Ctrl-D, PgDn", "Screen down"),
    Key("list", "ctrl+u,pageup", "page(-1)", "Ctrl-U, PgUp", "Screen up"),
    Key("list", "g,home", "first", "g, Home", "First row"),
    Key("list", "G,end", "last", "G, End", "Last row"),
    Key("list", "enter,l,right", "choose", "Enter", "Open what the cursor is on", "open"),
    Key(
        "runs",
        "slash",
        "filter",
        "/",
        "Filter: flow:NAME status:failed tag:T user:U since:2d, or any text",
        "filter",
    ),
    Key("runs", "m", "mark", "m", "Mark a run, to compare it", "mark"),
    Key("runs", "c", "compare", "c", "Compare the marked run with this one", "compare"),
    Key("runs", "r", "resume", "r", "Resume this run; the plan is shown first", "resume"),
    Key("runs", "t", "tag", "t", "Tags: put on `a, b`, take off `-a`", "tag"),
    Key("runs", "x", "cancel", "x", "Cancel this run"),
    Key("run", "escape,h,left", "app.go_back", "Esc, h", "Back", "back"),
    Key("run", "1", "view('steps')", "1", "Steps"),
    Key("run", "2", "view('tasks')", "2", "Tasks"),
    Key("run", "3", "view('graph')", "3", "Graph"),
    Key("run", "4", "view('timeline')", "4", "Timeline"),
    Key("run", "5", "view('events')", "5", "Events"),
    Key("run", "slash", "filter", "/", "Filter what is shown; in the log, search", "filter"),
    Key("run", "o", "sort", "o", "Order of tasks: attention, longest, number"),
    Key("run", "left_square_bracket", "neighbour(-1)", "[", "Log of the task before"),
    Key("run", "right_square_bracket", "neighbour(1)", "]", "Log of the task after"),
    Key("run", "s", "app.stream", "s", "To the plain stream and back; nothing is lost", "stream"),
    Key("run", "x", "cancel", "x", "Cancel: the run, the step, or the task under the cursor"),
    Key("run", "R", "retry", "R", "Try what waits for its next try at once"),
    Key("run", "w", "workers", "w", "Change --max-workers of the living run"),
    Key("run", "r", "resume", "r", "Resume from here; the plan is shown first"),
    Key("run", "c", "compare", "c", "Compare with the run before"),
    Key("task", "escape,h,left", "app.go_back", "Esc, h", "Back", "back"),
    Key("task", "slash", "filter", "/", "In the log, search; among artifacts, filter", "search"),
    Key("task", "left_square_bracket", "attempt(-1)", "[", "Attempt before"),
    Key("task", "right_square_bracket", "attempt(1)", "]", "Attempt after"),
    Key("task", "c", "card", "c", "The task's cards, live; and back to its log", "card"),
    Key("task", "p", "parent", "p", "The task it starts from"),
    Key("task", "x", "cancel", "x", "Cancel this task, its step, or the run"),
    Key("task", "R", "retry", "R", "If it waits for its next try: try it at once"),
    Key("task", "r", "resume", "r", "Run this step and all after it again; the plan is shown first"),
    Key("log", "j,down", "move(1)", "j, Down", "Down"),
    Key("log", "k,up", "move(-1)", "k, Up", "Up"),
    Key("log", "ctrl+d,pagedown,space", "page(1)", "Ctrl-D, PgDn", "Screen down"),
    Key("log", "ctrl+u,pageup", "page(-1)", "Ctrl-U, PgUp", "Screen up"),
    Key("log", "g,home", "first", "g, Home", "Beginning"),
    Key("log", "G,end,f", "follow", "G, f", "End, and follow", "follow"),
    Key("log", "n", "again(1)", "n", "Next match", "next"),
    Key("log", "N", "again(-1)", "N", "Match before"),
    Key("log", "ampersand", "only", "&", "Only lines that match, and back"),
    Key("log", "e", "next_error", "e", "Next line that looks like an error", "error"),
    Key("log", "w", "wrap", "w", "Wrap long lines", "wrap"),
    Key("log", "t", "times", "t", "Show times"),
    Key("log", "v", "pager", "v", "Open in $PAGER"),
    Key("card", "j,down", "scroll(1)", "j, Down", "Down"),
    Key("card", "k,up", "scroll(-1)", "k, Up", "Up"),
    Key("card", "ctrl+d,pagedown,space", "page(1)", "Ctrl-D, PgDn", "Screen down"),
    Key("card", "ctrl+u,pageup", "page(-1)", "Ctrl-U, PgUp", "Screen up"),
    Key("card", "g,home", "first", "g, Home", "Top"),
    Key("card", "G,end", "last", "G, End", "End"),
    Key("card", "n", "other(1)", "n", "Next card of the task", "next"),
    Key("card", "N", "other(-1)", "N", "Card before"),
    Key("card", "o", "unfold", "o", "Unfold what is folded, and back", "unfold"),
    Key("card", "b", "browse", "b", "Open in the browser", "browser"),
    Key("graph", "j,down", "scroll_down", "j, Down", "Down"),
    Key("graph", "k,up", "scroll_up", "k, Up", "Up"),
    Key("graph", "L", "scroll_right", "L", "To the right"),
    Key("graph", "H", "scroll_left", "H", "To the left"),
)


def bindings_of(place: str) -> list[BindingType]:
    """Return the bindings of a place."""
    return [
        Binding(key.keys, key.action, key.help, show=False, priority=key.keys == "ctrl+c")
        for key in KEYS
        if key.place == place
    ]


def hints_of(*places: str) -> list[tuple[str, str]]:
    """Return keys and hints for the line at the bottom, the nearest place first."""
    found: dict[str, str] = {}
    for place in places:
        for key in KEYS:
            if key.place == place and key.hint and key.shown not in found:
                found[key.shown] = key.hint
    return list(found.items())
