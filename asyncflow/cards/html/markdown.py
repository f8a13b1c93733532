"""Markdown as HTML: CommonMark with tables; HTML in it stays text, links lead to the web or to mail only."""

from __future__ import annotations

import re
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from asyncflow.text import visible

__all__ = ["markdown_html", "parsed"]

_LINK = re.compile(r"(?:https?://|mailto:|#)", re.IGNORECASE)
_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+\Z")


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "maxNesting": 30})
    parser.enable(["table", "strikethrough"])
    parser.validateLink = lambda url: bool(_LINK.match(url) or _IMAGE.match(url))  # pyright: ignore[reportAttributeAccessIssue] - made to be replaced
    return parser


def markdown_html(text: str) -> Markup:
    """Return the text as HTML that has no script, no style, and loads nothing."""
    parser = _parser()
    tokens = parsed(text)
    for token in tokens:
        for inner in token.children or ():
            if inner.type == "link_open":
                inner.attrs.update({"rel": "noopener noreferrer nofollow", "target": "_blank"})
    rendered: str = parser.renderer.render(tokens, parser.options, {})
    return Markup(rendered)


def parsed(text: str, *, has_pictures: bool = True) -> list[Token]:
    """Return the text's tokens, as every renderer draws them: pictures only from the text itself.

    Args:
        text: Markdown.
        has_pictures: False: none are drawn, their words are.
    """
    tokens = _parser().parse(visible(text))
    for token in tokens:
        token.attrs.pop("style", None)
        for inner in token.children or ():
            is_drawn = has_pictures and _IMAGE.match(str(inner.attrs.get("src", "")))
            if inner.type == "image" and not is_drawn:
                inner.type, inner.content, inner.children = "text", f"[picture: {inner.content}]", None
    return tokens
