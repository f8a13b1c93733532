"""What a card shows, as plain data: the one thing that tasks make, files keep, and every renderer draws.

A card is a `Page`: who made it, and a tree of nodes. Nodes are frozen, bounded in size (`asyncflow.cards.limits`), and
hold nothing but text, numbers, bytes, tuples and other nodes. Nothing in a node is markup, but the source of
`Markdown` and what `Html` was made for; all other text is shown as it is, whatever it looks like.

How a renderer goes about it:

1. Get a page: `asyncflow.client.cards` composes it, from what an attempt left or, while it runs, from what it last
   published (`asyncflow.cards.live`).
2. Draw `page.nodes` in order, each by its class; `match node: case Table(): ...`. Children are drawn where they
   stand: `Section.nodes`, cells of a `Table` (a cell is a text or a node), `Artifact.preview`.
3. Text is never trusted: pass it through `asyncflow.text.visible` for a terminal, through the template's escaping for
   HTML. JSON (`Json.text`) and Vega-Lite (`Chart.spec`) are texts that parse.
4. `note`, where a node has one, says what was left out or cannot be shown; draw it beneath the node, quietly.
5. Draw a class that you do not know as nothing but its class's name: a newer release may have it.
6. To redraw in place, compare nodes: they are values (`==`), and `id` is the name the user gave a component.

`asyncflow.cards.codec` turns nodes into bytes and back, with a digest.
"""

from __future__ import annotations

from asyncflow.records import record

__all__ = [
    "KINDS",
    "Artifact",
    "Body",
    "Cell",
    "Chart",
    "Code",
    "Dag",
    "DagStep",
    "Error",
    "Event",
    "Facts",
    "Html",
    "Image",
    "Json",
    "Log",
    "Markdown",
    "Metric",
    "Node",
    "Page",
    "Progress",
    "Section",
    "Series",
    "Table",
    "Text",
    "Timeline",
    "Value",
]


@record
class Node:
    """Base of all nodes."""

    id: str = ""
    """What the user calls the component; empty: nothing."""
    note: str = ""
    """What was left out, or why there is nothing to see; empty: nothing."""


Cell = str | Node


@record
class Text(Node):
    """Words as they are, line feeds included."""

    text: str = ""
    tone: str = ""
    """`muted`, `title`, `subtitle` or empty."""


@record
class Markdown(Node):
    """CommonMark with tables. HTML in it is text, and links lead to http, https and mailto only."""

    text: str = ""


@record
class Section(Node):
    """Nodes that belong together."""

    title: str = ""
    nodes: tuple[Node, ...] = ()
    columns: int = 1
    """1: one below the other. More: side by side, as many as there is room for, at most this many."""
    is_open: bool = True
    """False: shown folded, where that can be."""


@record
class Facts(Node):
    """Names with values."""

    title: str = ""
    rows: tuple[tuple[str, Cell], ...] = ()


@record
class Table(Node):
    """Rows of cells. Rows may be of different lengths; `headers` may be empty."""

    title: str = ""
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    align: str = ""
    """A letter a column: `r` for numbers, `l` for all else. Columns beyond it are `l`."""
    total_rows: int = 0
    """How many rows there were."""


@record
class Image(Node):
    """A picture as its file's bytes."""

    mime: str = "image/png"
    """`image/png`, `image/jpeg`, `image/gif`, `image/webp` or `image/svg+xml`."""
    data: bytes = b""
    """Empty: `note` says why there is none."""
    label: str = ""
    width: int = 0
    """Pixels; 0: not known."""
    height: int = 0


@record
class Chart(Node):
    """A Vega-Lite (or Vega) chart with its data in it."""

    spec: str = ""
    """JSON; its `$schema` says which of the two. Empty: `note` says why there is none."""
    title: str = ""
    shows_controls: bool = False
    """Where the chart can be interactive: offer to save it as a picture."""


@record
class Series(Node):
    """One curve of a metric."""

    name: str = ""
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()
    """As long as `x`. Not a number and infinite are left out before."""


@record
class Metric(Node):
    """Values over time or steps, as they were reported; thinned out so that extremes stay."""

    title: str = ""
    series: tuple[Series, ...] = ()
    unit: str = ""
    x_label: str = ""
    """What `x` counts, such as `epoch`."""


@record
class Progress(Node):
    """How far something is."""

    label: str = ""
    value: float = 0.0
    max: float = 100.0
    """At most 0: not known."""
    unit: str = ""
    details: str = ""


@record
class Value(Node):
    """One number or word, large."""

    title: str = ""
    value: str = ""
    subtitle: str = ""
    theme: str = ""
    """`success`, `warning`, `danger`, `info`, `neutral` or empty."""
    change: str = ""
    """Such as `+3.2 %`."""


@record
class Code(Node):
    """Source code."""

    code: str = ""
    language: str = "python"
    title: str = ""
    first_line: int = 1


@record
class Json(Node):
    """A nested value, to be unfolded."""

    text: str = "null"
    """JSON, indented; what JSON cannot say is in it as text. When `note` says that it was cut it may not parse."""
    title: str = ""
    syntax: str = "json"
    """`json` or `yaml`: how to write it where it is shown flat."""
    is_folded: bool = False
    max_height: int = 0
    """Pixels; 0: the renderer's own."""
    yaml: str = ""
    """The same as YAML, for `syntax="yaml"`."""


@record
class Artifact(Node):
    """An artifact: what it is, and as much of its value as can be shown."""

    name: str = ""
    type: str = ""
    size_bytes: int = -1
    """Stored; -1: not known."""
    preview: Node | None = None
    """`Text`, `Table`, `Json`, `Image` or `Metric`; None: `note` says why there is none."""


@record
class Event(Node):
    """One moment of a timeline."""

    at: float = 0.0
    """Seconds since the epoch; 0: not known."""
    title: str = ""
    details: tuple[tuple[str, str], ...] = ()
    theme: str = ""
    """As a `Value` has it, or `error`, `tool_call`, `ai_response` and the like; unknown ones are neutral."""
    priority: str = ""
    nodes: tuple[Node, ...] = ()
    """What belongs to it."""


@record
class Timeline(Node):
    """Events, newest first."""

    title: str = ""
    events: tuple[Event, ...] = ()
    stats: tuple[tuple[str, str], ...] = ()
    is_finished: bool = False


@record
class Error(Node):
    """An exception, or what went wrong with a component."""

    title: str = ""
    """Such as `builtins.ValueError`."""
    message: str = ""
    traceback: str = ""


@record
class Log(Node):
    """The end of what was printed."""

    title: str = ""
    text: str = ""
    is_own: bool = False
    """The log of the card's task. Pages have its last `lines` in `text`; in what a task leaves, `text` is empty."""
    lines: int = 200


@record
class DagStep(Node):
    """One step of a graph."""

    name: str = ""
    kind: str = "linear"
    """`start`, `linear`, `split-static`, `split-foreach`, `split-parallel`, `split-switch`, `join` or `end`."""
    next: tuple[str, ...] = ()
    doc: str = ""
    status: str = ""
    """`succeeded`, `failed`, `running`, or empty."""


@record
class Dag(Node):
    """A flow's graph."""

    steps: tuple[DagStep, ...] = ()
    """In topological order. Empty in what a task leaves: pages have the graph of its run."""
    current: str = ""
    """The step that the card is about; empty: none."""


@record
class Html(Node):
    """A page or a part of one that a custom card has made. Only ever shown in a frame of its own."""

    html: str = ""


@record
class Body(Node):
    """What a task leaves of a card: the part of a page that only the task knows."""

    title: str = ""
    nodes: tuple[Node, ...] = ()
    """What the user's code has put on the card."""
    artifacts: tuple[Artifact, ...] = ()
    """Previews of what the step has set, which the process could make best."""
    has_frame: bool = True
    """Around the nodes stands what is known of the task: graph, parameters, artifacts, log. False: nothing does."""
    data: str = ""
    """JSON that goes with what a running task shows (`refresh(data)`); empty: none."""


@record
class Page(Node):
    """A whole card."""

    title: str = ""
    type: str = "default"
    card_id: str = ""
    pathspec: str = ""
    """`Flow/run/step/task`; empty: of no task."""
    attempt: int = 0
    status: str = ""
    """The task's, in the client's words."""
    made_at: float = 0.0
    """Seconds since the epoch."""
    is_live: bool = False
    """The task runs, and the page is as it last published it."""
    nodes: tuple[Node, ...] = ()


KINDS: dict[str, type[Node]] = {
    kind.__name__.lower(): kind
    for kind in (
        Artifact, Body, Chart, Code, Dag, DagStep, Error, Event, Facts, Html, Image, Json, Log, Markdown, Metric, Page,
        Progress, Section, Series, Table, Text, Timeline, Value,
    )
}  # fmt: skip
"""Every class of nodes by the name it has in files."""
