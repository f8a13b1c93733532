"""SVG with nothing in it but shapes and text. All else is left out: scripts, styles, links, whatever is loaded.

Only what is named here gets through, so what is unknown is harmless. The result is built anew from the parsed parts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError, XMLParser

from asyncflow.cards.html.shown import shown

__all__ = ["clean_svg"]

_ELEMENT_NAMES = """
svg g path line rect circle ellipse polygon polyline text tspan defs clipPath linearGradient radialGradient stop title
image
"""
_ATTRIBUTE_NAMES = """
width height viewBox transform d x y x1 y1 x2 y2 dx dy cx cy r rx ry fx fy points offset id
fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-dasharray stroke-dashoffset stroke-linecap
stroke-linejoin stroke-miterlimit opacity stop-color stop-opacity clip-path clip-rule
font-family font-size font-weight font-style text-anchor dominant-baseline
gradientUnits gradientTransform preserveAspectRatio
"""
_ELEMENTS = frozenset(_ELEMENT_NAMES.split())
_ATTRIBUTES = frozenset(_ATTRIBUTE_NAMES.split())
_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*")
_REFERENCE = re.compile(r"url\(\s*['\"]?#[\w.-]+['\"]?\s*\)")
_NEVER = re.compile(r"url\(|javascript:|expression\(|@import|[<>\\]", re.IGNORECASE)
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_DEFAULTS = (("opacity", "1"), ("text-anchor", "start"), ("font-family", "system-ui, sans-serif"))
_MOST_TITLES = 400
_MOST_DEPTH = 60
_NO_MARKS = ("X-axis", "Y-axis", "Symbol legend", "Gradient legend", "Title text", "Subtitle text")


def clean_svg(text: str) -> str:
    """Return the SVG as text that may stand in a page; empty if it is no SVG."""
    if "<!doctype" in text[:2_000].lower() or "<!entity" in text.lower():
        return ""
    parser = XMLParser()
    try:
        parser.feed(text)
        root = parser.close()
    except (ParseError, ValueError):
        return ""
    return _Cleaner(text).element(root, 0) if _local(root.tag) == "svg" else ""


class _Cleaner:
    """Goes through one picture."""

    def __init__(self, text: str) -> None:
        self._has_titles = text.count("aria-label=") <= _MOST_TITLES
        self._prefix = f"s{hashlib.sha256(text.encode()).hexdigest()[:8]}-"
        """In front of ids: there may be other pictures on the page."""

    def element(self, element: Element, depth: int) -> str:
        name = _local(element.tag)
        if name == "a":
            name = "g"
        if name not in _ELEMENTS or depth > _MOST_DEPTH or _is_nothing(element):
            return ""
        attributes = "".join(f' {key}="{shown(value)}"' for key, value in self._attributes(element, name))
        if name == "image" and " href=" not in attributes:
            return ""
        inside = self._title(element) + "".join(self._child(child, depth) for child in element)
        if element.text and name in ("text", "tspan", "title"):
            inside = f"{shown(element.text)}{inside}"
        if name == "g" and not inside:
            return ""
        return f"<{name}{attributes}>{inside}</{name}>" if inside else f"<{name}{attributes}/>"

    def _child(self, child: Element, depth: int) -> str:
        tail = shown(child.tail) if child.tail and child.tail.strip() else ""
        return f"{self.element(child, depth + 1)}{tail}"

    def _title(self, element: Element) -> str:
        """Return what is shown over a mark: what vl-convert says of it to those who cannot see."""
        label = element.get("aria-label") if element.get("role") == "graphics-symbol" else None
        if not label or not self._has_titles or label.startswith(_NO_MARKS):
            return ""
        return f"<title>{shown(label)}</title>"

    def _attributes(self, element: Element, name: str) -> Iterator[tuple[str, str]]:
        if name == "svg":
            yield "xmlns", "http://www.w3.org/2000/svg"
        for raw, value in element.attrib.items():
            key = _local(raw)
            if key == "href" and name == "image" and _IMAGE.fullmatch(value):
                yield "href", value
            elif key == "class" and name == "svg":
                yield "class", "chart"
            elif key in _ATTRIBUTES and (key, value) not in _DEFAULTS:
                if key == "id":
                    yield key, self._prefix + value
                elif _REFERENCE.fullmatch(value):
                    yield key, value.replace("#", f"#{self._prefix}")
                elif not _NEVER.search(value):
                    yield key, _LONG_NUMBER.sub(lambda found: f"{float(found.group()):.2f}", value)


def _is_nothing(element: Element) -> bool:
    """Say whether the element is one of the many that are drawn and never seen."""
    return element.get("display") == "none" or (
        _local(element.tag) == "path" and element.get("d") in (None, "", "M0,0h0v0h0Z")
    )


def _local(name: object) -> str:
    return name.rpartition("}")[2] if isinstance(name, str) else ""
