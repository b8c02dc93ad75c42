"""One figure as inline SVG: real text in the reader's fonts, colours that follow the page's theme.

Matplotlib lays the figure out; names given by users reach it only as placeholders of the same width, for
its own font lacks many scripts and it would read `$` as mathematics. The finished SVG
gets the true text back.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Sequence
from functools import cache
from typing import Any
from xml.etree import ElementTree as Xml

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.text import Text

from polyscene.core.text import columns, one_line
from polyscene.evaluation.report.palette import LIGHT, themed

WIDTH = 380.0
FONT_SIZE = 10.0
RASTER_DPI = 144
_LABEL = "label-"
_settings_lock = threading.Lock()


class Drawing:
    """A figure of fixed width that grows downward.

    Args:
        name: unique on the page; letters, digits, dashes and underscores.
        about: what the figure shows, for those who cannot see it.
        height: in points.
        title: stands over it.
        caption: stands under it.
    """

    def __init__(self, name: str, about: str, height: float, title: str = "", caption: str = "") -> None:
        self.name, self.about, self.title, self.caption = name, about, title, caption
        self.figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72, layout="constrained")
        self.figure.patch.set_alpha(0.0)
        self._labels: list[str] = []

    def axes(self, row: int = 1, rows: int = 1) -> Axes:
        """Return quiet axes: a light grid, no box, muted numbers."""
        axes = self.figure.add_subplot(rows, 1, row)
        axes.patch.set_alpha(0.0)
        axes.set_axisbelow(True)
        axes.tick_params(length=0, labelsize=FONT_SIZE - 1, labelcolor=LIGHT["muted"])
        for side in axes.spines.values():
            side.set_visible(False)
        return axes

    def label(self, text: Text, content: object, limit: int = 28) -> Text:
        """Fill a text with content of any origin, cut to `limit` columns."""
        label = one_line(content, limit)
        text.set_parse_math(False)
        text.set_text(_placeholder(label))
        text.set_gid(f"{_LABEL}{len(self._labels)}")
        self._labels.append(label)
        return text

    def legend(self, marks: Sequence[Artist], names: Sequence[str]) -> None:
        """Explain the marks under everything else, two in a row."""
        box = self.figure.legend(
            marks,
            ["-"] * len(marks),
            loc="outside lower center",
            ncols=2,
            frameon=False,
            fontsize=FONT_SIZE - 1,
        )
        for text, name in zip(box.get_texts(), names, strict=True):
            self.label(text, name).set_color(LIGHT["ink"])

    def svg(self) -> str:
        """Return the figure as an `<svg>` element without any address in it."""
        buffer = io.StringIO()
        with _settings_lock, mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": self.name}):
            self.figure.set_dpi(RASTER_DPI)
            canvas: Any = FigureCanvasSVG(self.figure)
            canvas.print_svg(buffer, metadata={"Date": None})  # `savefig` would draw twice
        root = Xml.fromstring(buffer.getvalue())
        _drop(root, "metadata", "style")
        self._restore(root)
        for element in root.iter():
            self._plain(element)
        root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": one_line(self.about)}
        return Xml.tostring(root, encoding="unicode")

    def _restore(self, root: Xml.Element) -> None:
        """Put the labels where their placeholders stand."""
        for group in root.iter():
            name = group.get("id", "")
            if name.startswith(_LABEL):
                for child in group.iter():
                    if _local(child.tag) == "text":
                        child.text = self._labels[int(name.removeprefix(_LABEL))]

    def _plain(self, element: Xml.Element) -> None:
        """Take names out of their spaces, make ids unique on the page and colours follow the theme."""
        element.tag = _local(element.tag)
        element.attrib = {_local(key): self._value(_local(key), value) for key, value in element.items()}

    def _value(self, key: str, value: str) -> str:
        if key == "id":
            return f"{self.name}-{value}"
        if key == "href":
            return f"#{self.name}-{value[1:]}" if value.startswith("#") else value
        if key == "style":
            value = re.sub(
                r"font: (?:(\d+|bold) )?([\d.]+px) [^;]*", r"font-weight: \1; font-size: \2", value
            )
            value = value.replace("font-weight: ; ", "")
        return themed(value.replace("url(#", f"url(#{self.name}-"))


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _drop(root: Xml.Element, *names: str) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in names:
                parent.remove(child)


@cache
def _glyphs() -> frozenset[str]:
    """Return the characters that matplotlib's own font can measure."""
    font = get_font(findfont(FontProperties(family="DejaVu Sans"), fallback_to_default=True))
    return frozenset(chr(code) for code in font.get_charmap())


def _placeholder(text: str) -> str:
    """Return text of about the same width in characters that can be measured."""
    return "".join(c if c in _glyphs() else ("", "o", "W")[columns(c)] for c in text)
