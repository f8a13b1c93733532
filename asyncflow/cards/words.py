"""Components of words and numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asyncflow.cards import tree
from asyncflow.cards.component import Drawn
from asyncflow.cards.guard import broken, nodes_of, previewed
from asyncflow.cards.limits import clipped, title_of
from asyncflow.cards.plain import json_text, plain, yaml_text
from asyncflow.cards.preview import cell_text
from asyncflow.records import replace

__all__ = [
    "Artifact",
    "Dag",
    "Error",
    "JSONViewer",
    "Log",
    "Markdown",
    "PythonCode",
    "Row",
    "Section",
    "ValueBox",
    "YAMLViewer",
]

_LOG_CHARS = 200_000


class Markdown(Drawn):
    """Text in Markdown (CommonMark with tables). HTML in it is shown as text.

    Args:
        text: The source.
    """

    def __init__(self, text: str | None = None) -> None:
        self._text = text

    def update(self, text: str | None = None) -> None:
        """Show another text."""
        self._text = text

    def draw(self, depth: int = 0) -> tree.Markdown:
        text, note = clipped(self._text or "")
        return tree.Markdown(text=text, note=note)


class Section(Drawn):
    """Components that belong together, under a title.

    Args:
        title: None: none.
        components: What is in it; more can be appended.
        columns: More than 1: side by side, as many as there is room for, at most this many.
        is_open: False: folded, where that can be.
    """

    def __init__(
        self, title: str | None = None, *components: Any, columns: int = 1, is_open: bool = True
    ) -> None:
        self._title = title
        self._columns = columns
        self._is_open = is_open
        self.components: list[Any] = list(components)

    def append(self, component: Any) -> None:
        """Add a component at the end."""
        self.components.append(component)

    def draw(self, depth: int = 0) -> tree.Section:
        return tree.Section(
            title=title_of(self._title),
            nodes=nodes_of(tuple(self.components), depth + 1),
            columns=max(1, min(int(self._columns), 12)),
            is_open=bool(self._is_open),
        )


class Row(Section):
    """Components side by side, as far as there is room."""

    def __init__(self, *components: Any) -> None:
        super().__init__(None, *components, columns=max(2, len(components)))


class ValueBox(Drawn):
    """One number or word, large.

    Args:
        title: What it is.
        value: A number or text.
        subtitle: A line beneath.
        theme: `default`, `success`, `warning`, `danger`, `info` or `neutral`.
        change_indicator: Such as `"+3.2 %"`.
    """

    def __init__(
        self,
        title: str | None = None,
        value: Any = "",
        subtitle: str | None = None,
        theme: str | None = None,
        change_indicator: str | None = None,
    ) -> None:
        self._shown = (title, value, subtitle, theme, change_indicator)

    def update(
        self,
        title: str | None = None,
        value: Any = None,
        subtitle: str | None = None,
        theme: str | None = None,
        change_indicator: str | None = None,
    ) -> None:
        """Show other things; what is None stays."""
        given = (title, value, subtitle, theme, change_indicator)
        self._shown = tuple(old if new is None else new for old, new in zip(self._shown, given, strict=True))

    def draw(self, depth: int = 0) -> tree.Value:
        title, value, subtitle, theme, change = self._shown
        return tree.Value(
            title=title_of(title),
            value=title_of(cell_text(value)),
            subtitle=title_of(subtitle),
            theme="" if theme in (None, "default") else title_of(theme),
            change=title_of(change),
        )


class PythonCode(Drawn):
    """Python source.

    Args:
        code_func: A function or class whose source is shown.
        code_string: The source itself; counts when both are given.
    """

    def __init__(self, code_func: Callable[..., Any] | None = None, code_string: str | None = None) -> None:
        self._function = code_func
        self._source = code_string

    def draw(self, depth: int = 0) -> tree.Code:
        if self._source is not None or self._function is None:
            code, note = clipped(self._source or "")
            return tree.Code(code=code, note=note)
        import inspect  # 10 ms, for these only
        import textwrap

        lines, first = inspect.getsourcelines(self._function)
        code, note = clipped(textwrap.dedent("".join(lines)).rstrip())
        return tree.Code(code=code, note=note, first_line=max(first, 1))


class Error(Drawn):
    """An exception with its traceback.

    Args:
        exception: The exception.
        title: None: its class.
    """

    def __init__(self, exception: BaseException, title: str | None = None) -> None:
        self._exception = exception
        self._title = title

    def draw(self, depth: int = 0) -> tree.Error:
        shown = broken(title_of(self._title) or type(self._exception).__name__, self._exception)
        return replace(shown, traceback=shown.traceback if self._exception.__traceback__ else "")


class JSONViewer(Drawn):
    """A nested value, to be unfolded.

    Args:
        data: Anything; what JSON cannot say is shown as text.
        collapsible: False: it is shown unfolded, all of it.
        max_height: Pixels, or a text such as `"400px"`. None: the renderer's own.
        show_copy_button: Taken as in Metaflow; what is shown can always be selected.
        title: None: none.
    """

    _SYNTAX = "json"

    def __init__(
        self,
        data: Any,
        collapsible: bool = True,
        max_height: int | str | None = None,
        show_copy_button: bool = True,
        title: str | None = None,
    ) -> None:
        self._data = data
        self._is_folded = collapsible
        self._height = max_height
        self._title = title

    def update(self, data: Any) -> None:
        """Show other data."""
        self._data = data

    def draw(self, depth: int = 0) -> tree.Json:
        text, note = json_text(self._data)
        digits = "".join(character for character in str(self._height or 0) if character.isdigit())
        return tree.Json(
            text=text,
            note=note,
            title=title_of(self._title),
            syntax=self._SYNTAX,
            is_folded=bool(self._is_folded),
            max_height=min(int(digits or 0), 10_000),
        )


class YAMLViewer(JSONViewer):
    """The same, written as YAML."""

    _SYNTAX = "yaml"

    def draw(self, depth: int = 0) -> tree.Json:
        text, note = clipped(yaml_text(plain(self._data)[0]))
        drawn = super().draw(depth)
        return replace(drawn, yaml=text, note=drawn.note or note)


class Artifact(Drawn):
    """What a value is, and as much of it as can be shown.

    Args:
        artifact: Any value.
        name: What to call it.
        compressed: Taken as in Metaflow; a preview is short always.
    """

    def __init__(self, artifact: Any, name: str | None = None, compressed: bool = True) -> None:
        self._value = artifact
        self._name = name

    def update(self, artifact: Any) -> None:
        """Show another value."""
        self._value = artifact

    def draw(self, depth: int = 0) -> tree.Artifact:
        kind = type(self._value)
        return tree.Artifact(
            name=title_of(self._name),
            type=title_of(f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")),
            preview=previewed(self._value),
        )


class Log(Drawn):
    """The end of a log: of this task's own, live, or of any text.

    Args:
        text: None: what the task has printed.
        lines: How many lines.
        title: None: none.
    """

    def __init__(self, text: str | None = None, *, lines: int = 200, title: str | None = None) -> None:
        self._text = text
        self._lines = max(1, min(int(lines), 5_000))
        self._title = title

    def update(self, text: str | None = None) -> None:
        """Show another text; None: the task's own."""
        self._text = text

    def draw(self, depth: int = 0) -> tree.Log:
        if self._text is None:
            return tree.Log(title=title_of(self._title), is_own=True, lines=self._lines)
        tail = str(self._text).strip("\n").rsplit("\n", self._lines)
        is_cut = len(tail) > self._lines
        return tree.Log(
            title=title_of(self._title),
            text="\n".join(tail[1:] if is_cut else tail)[-_LOG_CHARS:],
            note=f"Cut: the last {self._lines:,} lines are shown." if is_cut else "",
            lines=self._lines,
        )


class Dag(Drawn):
    """The flow's graph, with this step marked."""

    def draw(self, depth: int = 0) -> tree.Dag:
        return tree.Dag()
