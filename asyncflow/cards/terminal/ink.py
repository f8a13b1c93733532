"""What the terminal renderer draws with: a palette's styles, glyphs, and how much is unfolded."""

from __future__ import annotations

from pygments.token import Comment, Error, Keyword, Name, Number, Operator, String, Token
from rich.style import Style
from rich.syntax import ANSISyntaxTheme
from rich.theme import Theme

from asyncflow.look import Glyphs, Palette

__all__ = ["Ink"]

_CURVES = ("accent", "waiting", "good", "cached", "bad", "running", "stopped", "queued")


class Ink:
    """Colours and glyphs of one terminal.

    Args:
        palette: The colours.
        glyphs: The characters.
        has_colours: False (NO_COLOR): nothing is told by colour alone.
        unfolds: Draw what is folded, and tracebacks as a whole.
        paints_text: Give plain text the palette's colour; False: the terminal's own, whose ground we do not know.
    """

    def __init__(
        self,
        palette: Palette,
        glyphs: Glyphs,
        *,
        has_colours: bool = True,
        unfolds: bool = False,
        paints_text: bool = True,
    ) -> None:
        self.palette = palette
        self.glyphs = glyphs
        self.has_colours = has_colours
        self.unfolds = unfolds
        self._styles = palette.styles()
        if not paints_text:
            self._styles |= {"text": Style(), "bold": Style(bold=True)}

    @property
    def is_ascii(self) -> bool:
        """Only ASCII is drawn with."""
        return self.glyphs.rule.isascii()

    def style(self, role: str) -> Style:
        """Return the style of a role of the palette; of one that it does not have, that of text."""
        return self._styles.get(role, self._styles["text"])

    def curve(self, number: int) -> str:
        """Return the role of a chart's n-th series."""
        return _CURVES[number % len(_CURVES)]

    def rgb(self, role: str) -> tuple[int, int, int]:
        """Return a role's colour as red, green and blue."""
        value: str = getattr(self.palette, role)
        return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)

    def theme(self) -> Theme:
        """Return the styles by which Rich draws Markdown."""
        accent, dim, bold = self.style("accent"), self.style("dim"), self.style("bold")
        code = self.style("running")
        return Theme(
            {
                "markdown.text": self.style("text"),
                "markdown.paragraph": self.style("text"),
                "markdown.strong": bold,
                "markdown.em": Style(italic=True),
                "markdown.emph": Style(italic=True),
                "markdown.code": code,
                "markdown.code_block": code,
                "markdown.block_quote": dim,
                "markdown.list": self.style("text"),
                "markdown.item": self.style("text"),
                "markdown.item.bullet": accent,
                "markdown.item.number": accent,
                "markdown.hr": self.style("faint"),
                "markdown.link": accent,
                "markdown.link_url": dim,
                "markdown.table.border": self.style("faint"),
                "markdown.table.header": self.style("head"),
                "markdown.s": Style(strike=True),
                **{
                    f"markdown.h{level}": self.style("title" if level < 3 else "bold")
                    for level in range(1, 8)
                },
            }
        )

    def syntax(self) -> ANSISyntaxTheme:
        """Return the styles of source code."""
        return ANSISyntaxTheme(
            {
                Token: self.style("text"),
                Comment: self.style("dim"),
                Keyword: self.style("cached"),
                Keyword.Constant: self.style("waiting"),
                String: self.style("good"),
                Number: self.style("waiting"),
                Name.Function: self.style("accent"),
                Name.Class: self.style("accent"),
                Name.Decorator: self.style("running"),
                Name.Builtin: self.style("running"),
                Name.Tag: self.style("accent"),
                Operator: self.style("dim"),
                Error: self.style("text"),
            }
        )
