"""Pictures and charts. Libraries are used where the user has brought a figure of theirs, and imported nowhere."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping
from typing import Any, Self

from asyncflow.cards import tree
from asyncflow.cards.component import Drawn
from asyncflow.cards.limits import IMAGE_BYTES, SPEC_CHARS, title_of

__all__ = ["Image", "Plot", "VegaChart", "image_of_bytes"]

_MAGICS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)
_ROWS_OF_CHART = 5_000
_SIDE = 4_000
"""Pixels; larger pictures are made smaller where PIL gives them."""


class Image(Drawn):
    """A picture.

    Args:
        src: The bytes of a PNG, JPEG, GIF, WebP or SVG file; a figure or picture of matplotlib or PIL, too.
        label: A line beneath.
        disable_updates: Taken as in Metaflow: `update` has no effect.
    """

    def __init__(self, src: Any = None, label: str | None = None, disable_updates: bool = True) -> None:
        self._image = _image_of(src)
        self._label = label
        self._is_fixed = disable_updates

    @classmethod
    def from_pil_image(cls, img: Any, label: str | None = None, disable_updates: bool = False) -> Self:
        """Make one of a picture of PIL."""
        made = cls(None, label, disable_updates)
        made._image = _of_pil(img)
        return made

    @classmethod
    def from_matplotlib(cls, plot: Any, label: str | None = None, disable_updates: bool = False) -> Self:
        """Make one of a figure of matplotlib, of its axes, or of what drew into them; as it is now."""
        made = cls(None, label, disable_updates)
        made._image = _of_matplotlib(plot)
        return made

    def update(self, image: Any, label: str | None = None) -> None:
        """Show another picture."""
        if not self._is_fixed:
            self._image = _image_of(image)
            self._label = self._label if label is None else label

    def draw(self, depth: int = 0) -> tree.Image:
        return _labelled(self._image, self._label)


class VegaChart(Drawn):
    """A chart of Vega-Lite or Vega.

    Args:
        spec: The specification, its data in it: what lies at an address is not loaded.
        show_controls: Where the chart can be interactive, offer to save it as a picture.
    """

    def __init__(self, spec: Mapping[str, Any], show_controls: bool = False) -> None:
        self._spec: Any = spec  # Any: JSON-like
        self._shows_controls = show_controls

    @classmethod
    def from_altair_chart(cls, altair_chart: Any) -> Self:
        """Make one of a chart of Altair."""
        return cls(_of_altair(altair_chart))

    def update(self, spec: Any = None) -> None:
        """Show another specification, or chart of Altair."""
        if spec is not None:
            self._spec = _of_altair(spec) if hasattr(spec, "to_dict") else spec

    def draw(self, depth: int = 0) -> tree.Chart:
        return _chart_of(self._spec, shows_controls=bool(self._shows_controls))


class Plot(Drawn):
    """A figure of matplotlib, Altair or Plotly, whichever it is.

    Simple traces of Plotly (lines, points, bars) are drawn as charts; others become a picture if Kaleido is
    installed, else their data.

    Args:
        figure: The figure, as it is now.
        label: A line beneath.
    """

    def __init__(self, figure: Any, label: str | None = None) -> None:
        self._label = label
        self._node = _figure(figure)

    def update(self, figure: Any, label: str | None = None) -> None:
        """Show another figure."""
        self._label = self._label if label is None else label
        self._node = _figure(figure)

    def draw(self, depth: int = 0) -> tree.Node:
        if isinstance(self._node, tree.Image):
            return _labelled(self._node, self._label)
        if isinstance(self._node, tree.Chart) and self._label:
            from asyncflow.records import replace

            return replace(self._node, title=title_of(self._label))
        return self._node


def _labelled(image: tree.Image, label: str | None) -> tree.Image:
    from asyncflow.records import replace

    return replace(image, label=title_of(label)) if label else image


def _figure(figure: Any) -> tree.Node:
    home = _home(figure)
    if home == "altair" or (hasattr(figure, "to_dict") and hasattr(figure, "mark_line")):
        return _chart_of(_of_altair(figure))
    if home == "plotly":
        from asyncflow.cards.plotly import node_of_plotly  # seldom

        return node_of_plotly(figure)
    if isinstance(figure, Mapping):
        return _chart_of(figure)
    return _image_of(figure)


def _home(value: object) -> str:
    return type(value).__module__.partition(".")[0]


def _image_of(src: Any) -> tree.Image:
    if src is None:
        return tree.Image(note="No picture was given.")
    if isinstance(src, bytes | bytearray | memoryview):
        return image_of_bytes(bytes(src))
    if _home(src) == "PIL" or (hasattr(src, "save") and hasattr(src, "getbands")):
        return _of_pil(src)
    if hasattr(src, "savefig") or hasattr(src, "get_figure") or hasattr(src, "figure"):
        return _of_matplotlib(src)
    raise TypeError(f"a picture is the bytes of an image's file, or a figure; a {type(src).__name__} is none")


def image_of_bytes(data: bytes) -> tree.Image:
    """Return the node of an image's file; what is no image or too large leaves a note."""
    mime = next((mime for magic, mime in _MAGICS if data.startswith(magic)), "")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        mime = "image/webp"
    if not mime and b"<svg" in data[:2_000].lower():
        mime = "image/svg+xml"
    if not mime:
        return tree.Image(note=f"These {len(data):,} bytes are no PNG, JPEG, GIF, WebP or SVG.")
    if len(data) > IMAGE_BYTES:
        return tree.Image(
            mime=mime, note=f"The picture has {len(data):,} bytes; at most {IMAGE_BYTES:,} are kept."
        )
    width, height = _size_of(data, mime)
    return tree.Image(mime=mime, data=data, width=width, height=height)


def _size_of(data: bytes, mime: str) -> tuple[int, int]:
    if mime == "image/png" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    if mime == "image/gif" and len(data) >= 10:
        width, height = struct.unpack("<HH", data[6:10])
        return width, height
    return 0, 0


def _of_pil(img: Any) -> tree.Image:
    if max(img.size) > _SIDE:
        img = img.copy()
        img.thumbnail((_SIDE, _SIDE))
    target = io.BytesIO()
    img.save(target, format="PNG")
    return image_of_bytes(target.getvalue())


def _of_matplotlib(plot: Any) -> tree.Image:
    figure = plot
    while not hasattr(figure, "savefig"):
        figure = figure.get_figure() if hasattr(figure, "get_figure") else figure.figure
    target = io.BytesIO()
    figure.savefig(target, format="png", bbox_inches="tight", dpi=144)
    return image_of_bytes(target.getvalue())


def _of_altair(chart: Any) -> dict[str, Any]:
    import sys

    altair: Any = sys.modules.get("altair")  # Any: who has a chart has imported it
    if altair is None:
        return chart.to_dict()
    with altair.data_transformers.enable("default", max_rows=None):
        return chart.to_dict()


def _chart_of(spec: Any, *, shows_controls: bool = False) -> tree.Chart:
    if not isinstance(spec, Mapping):
        raise TypeError(f"a chart is described by a dictionary, not by a {type(spec).__name__}")
    given: dict[Any, Any] = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", **spec}
    text, note = _spec_text(given), ""
    if len(text) > SPEC_CHARS:
        given, dropped = _thinned(given)
        text = _spec_text(given)
        note = f"Cut: {dropped:,} rows of the chart's data are left out."
    if len(text) > SPEC_CHARS:
        return tree.Chart(
            note=f"The chart's description has {len(text):,} characters; {SPEC_CHARS:,} are kept."
        )
    return tree.Chart(spec=text, shows_controls=shows_controls, note=note)


def _spec_text(spec: object) -> str:
    """Return JSON; NaN and infinite as null, as Vega has them; what JSON cannot say as text."""
    try:
        return json.dumps(spec, default=_plain_value, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_without_nan(spec, 0), default=_plain_value, allow_nan=False, separators=(",", ":"))


def _plain_value(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)


def _without_nan(value: Any, depth: int) -> Any:
    if depth > 60:
        raise ValueError("the chart's description is nested deeper than any chart, or refers to itself")
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, Mapping):
        return {str(key): _without_nan(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item, depth + 1) for item in value]
    return value


def _thinned(value: Any, depth: int = 0) -> tuple[Any, int]:
    """Return a description without the rows of data beyond the first thousands, and how many those were."""
    if depth > 12:
        return value, 0
    if isinstance(value, Mapping):
        parts = {key: _thinned(item, depth + 1) for key, item in value.items()}
        return {key: part for key, (part, _) in parts.items()}, sum(count for _, count in parts.values())
    if isinstance(value, list) and len(value) > _ROWS_OF_CHART and isinstance(value[0], Mapping):
        return value[:_ROWS_OF_CHART], len(value) - _ROWS_OF_CHART
    if isinstance(value, list):
        items = [_thinned(item, depth + 1) for item in value]
        return [item for item, _ in items], sum(count for _, count in items)
    return value, 0
