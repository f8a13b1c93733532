"""Pictures by half blocks: two pixels a cell. Without colours, or in ASCII, by shades."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

from rich.color import Color
from rich.console import Group, RenderableType
from rich.segment import Segment, Segments
from rich.style import Style

from asyncflow.cards import tree
from asyncflow.cards.terminal import words
from asyncflow.cards.terminal.ink import Ink
from asyncflow.cards.terminal.wide import Wide
from asyncflow.text import bytes_text

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["picture"]

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_MOST_PIXELS = 50_000_000
"""A larger picture is not unpacked."""
_MOST_COLUMNS = 100
_MOST_ROWS = 36
_SMALL = 32
"""Pixels: a picture that is not larger is drawn larger, so that it can be seen."""
_SHADES = " ░▒▓█"
_ASCII_SHADES = " .:-=+*#%@"


def picture(node: tree.Image, ink: Ink) -> RenderableType:
    """Return a picture, with its label beneath."""
    label = [words.said(node.label, ink.style("dim"))] if node.label else []
    if not node.data:
        return Group(*label)
    return Group(Wide(lambda width: _pixels(node, ink, width), most=_MOST_COLUMNS), *label)


def _pixels(node: tree.Image, ink: Ink, width: int) -> RenderableType:
    if node.mime == "image/svg+xml":
        return _told("an SVG picture", node, ink, "it is drawn in the browser only")
    try:
        from PIL import Image  # optional; 40 ms
    except ImportError:
        return _told("a picture", node, ink, "to see it here: pip install pillow")
    try:
        with Image.open(io.BytesIO(node.data), formats=_FORMATS) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                return _told(
                    f"a picture of {opened.width}x{opened.height}", node, ink, "too large to be drawn here"
                )
            image = _scaled(opened, width)
    except Exception as error:  # noqa: BLE001 - whatever Pillow finds wrong with bytes that anybody may have written
        return _told("a picture", node, ink, f"it cannot be read: {type(error).__name__}")
    return Segments(_halves(image) if ink.has_colours and not ink.is_ascii else _shades(image, ink))


def _told(what: str, node: tree.Image, ink: Ink, why: str) -> RenderableType:
    size = f" ({bytes_text(len(node.data))})"
    return words.note(f"[{what}{size}: {why}]", ink)


def _scaled(image: Image.Image, width: int) -> Image.Image:
    """Return it in as many pixels as are drawn, an even number of rows, on white where it is see-through."""
    from PIL import Image as Pillow

    high, wide = image.height, image.width
    factor = min(width / wide, 2 * _MOST_ROWS / high)
    is_small = max(high, wide) <= _SMALL
    factor = min(factor, max(1, int(_SMALL // max(high, wide))) if is_small else 1.0)
    size = max(1, round(wide * factor)), max(2, 2 * round(high * factor / 2))
    full = image.convert("RGBA")
    drawn = full.resize(size, Pillow.Resampling.NEAREST if is_small else Pillow.Resampling.BOX)
    ground = Pillow.new("RGBA", size, (255, 255, 255, 255))
    return Pillow.alpha_composite(ground, drawn).convert("RGB")


def _halves(image: Image.Image) -> list[Segment]:
    found: list[Segment] = []
    data = image.tobytes()
    row = image.width * 3
    for y in range(0, image.height, 2):
        upper, lower = data[y * row : (y + 1) * row], data[(y + 1) * row : (y + 2) * row]
        run, before = 0, b""
        for x in range(0, row, 3):
            here = upper[x : x + 3] + lower[x : x + 3]
            if here != before and run:
                found.append(Segment("▀" * run, _style(before)))
                run = 0
            before = here
            run += 1
        found += [Segment("▀" * run, _style(before)), Segment.line()]
    return found


@lru_cache(4096)
def _style(pair: bytes) -> Style:
    return Style(color=Color.from_rgb(*pair[:3]), bgcolor=Color.from_rgb(*pair[3:]))


def _shades(image: Image.Image, ink: Ink) -> list[Segment]:
    """Draw by how bright it is: what is bright is dense on a dark ground, and thin on a light one."""
    grey = image.convert("L").resize((image.width, max(1, image.height // 2)))
    shades = _ASCII_SHADES if ink.is_ascii else _SHADES
    if not ink.palette.is_dark:
        shades = shades[::-1]
    data = grey.tobytes()
    found: list[Segment] = []
    for y in range(grey.height):
        line = data[y * grey.width : (y + 1) * grey.width]
        found += [
            Segment("".join(shades[value * (len(shades) - 1) // 255] for value in line), ink.style("text")),
            Segment.line(),
        ]
    return found
