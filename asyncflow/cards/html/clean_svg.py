"""SVG with nothing in it but shapes and text. All else is left out: scripts, styles, links, whatever is loaded.

Only what is named here gets through, so what is unknown is harmless. The result is built anew from the parsed parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError, XMLParser

from markupsafe import escape

__all__ = ["clean_svg"]

_ELEMENTS = frozenset(
    [
        "svg",
        "g",
        "path",
        "line",
        "rect",
        "circle",
        "ellipse",
        "polygon",
        "polyline",
        "text",
        "tspan",
        "defs",
        "clipPath",
        "linearGradient",
        "radialGradient",
        "stop",
        "title",
        "image",
    ]
)
_ATTRIBUTES = frozenset(
    [
        "class",
        "width",
        "height",
        "viewBox",
        "transform",
        "d",
        "x",
        "y",
        "x1",
        "y1",
        "x2",
        "y2",
        "dx",
        "dy",
        "cx",
        "cy",
        "r",
        "rx",
        "ry",
        "fx",
        "fy",
        "points",
        "offset",
        "fill",
        "fill-opacity",
        "fill-rule",
        "stroke",
        "stroke-width",
        "stroke-opacity",
        "stroke-dasharray",
        "stroke-dashoffset",
        "stroke-linecap",
        "stroke-linejoin",
        "stroke-miterlimit",
        "opacity",
        "stop-color",
        "stop-opacity",
        "clip-path",
        "clip-rule",
        "id",
        "font-family",
        "font-size",
        "font-weight",
        "font-style",
        "text-anchor",
        "dominant-baseline",
        "gradientUnits",
        "gradientTransform",
        "preserveAspectRatio",
    ]
)
_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*")
_REFERENCE = re.compile(r"url\(\s*['\"]?#[\w.-]+['\"]?\s*\)")
_NEVER = re.compile(r"url\(|javascript:|expression\(|@import|[<>\\]", re.IGNORECASE)
_MOST_TITLES = 1_500
_MOST_DEPTH = 60


def clean_svg(text: str) -> str:
    """Return the SVG as text that may stand in a page; empty if it is no SVG."""
    parser = XMLParser()
    try:
        parser.feed(text)
        root = parser.close()
    except (ParseError, ValueError):
        return ""
    if _local(root.tag) != "svg" or "<!DOCTYPE" in text[:1000].upper():
        return ""
    has_titles = text.count("aria-label=") <= _MOST_TITLES
    return "".join(_parts(root, 0, has_titles=has_titles))


def _parts(element: Element, depth: int, *, has_titles: bool) -> Iterator[str]:
    name = _local(element.tag)
    if name == "a":
        name = "g"
    if name not in _ELEMENTS or depth > _MOST_DEPTH or _is_nothing(element):
        return
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in _attributes(element, name))
    if name == "image" and "href=" not in attributes:
        return
    inside = "".join(part for child in element for part in _child(child, depth, has_titles=has_titles))
    label = element.get("aria-label") if has_titles and element.get("role") == "graphics-symbol" else None
    if (
        label
        and "-titled" not in label
        and not label.startswith(("X-axis", "Y-axis", "Symbol legend", "Title text"))
    ):
        inside = f"<title>{escape(label)}</title>{inside}"
    told = f"{escape(element.text)}" if element.text and name in ("text", "tspan", "title") else ""
    if name == "g" and not inside:
        return
    yield f"<{name}{attributes}>{told}{inside}</{name}>"


def _child(child: Element, depth: int, *, has_titles: bool) -> Iterator[str]:
    yield from _parts(child, depth + 1, has_titles=has_titles)
    if child.tail and child.tail.strip():
        yield str(escape(child.tail))


def _attributes(element: Element, name: str) -> Iterator[tuple[str, str]]:
    if name == "svg":
        yield "xmlns", "http://www.w3.org/2000/svg"
    for raw, value in element.attrib.items():
        key = _local(raw)
        if key == "href" and name == "image" and _IMAGE.fullmatch(value):
            yield "href", value
        elif key == "class":
            if name == "svg":
                yield "class", "chart"
        elif key in _ATTRIBUTES and (_REFERENCE.fullmatch(value) or not _NEVER.search(value)):
            yield key, value


def _is_nothing(element: Element) -> bool:
    """Say whether the element is one of the many that are drawn and never seen."""
    return element.get("display") == "none" or (
        _local(element.tag) == "path" and element.get("d") in (None, "", "M0,0h0v0h0Z")
    )


def _local(name: object) -> str:
    return name.rpartition("}")[2] if isinstance(name, str) else ""
