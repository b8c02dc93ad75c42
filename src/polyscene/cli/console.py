"""What the verbs write: answers to standard output, all else to standard error, only what is printable."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

PLAIN_WIDTH = 140
"""Columns of a table that goes to a file or a pipe."""

_LINE = 10_000


def output() -> Console:
    """Return the console for answers."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH, highlight=False, markup=False)


def show(*parts: RenderableType) -> None:
    """Write tables and sentences to standard output; nothing in a sentence is taken for markup."""
    console = output()
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))


def show_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can say
    """Write one JSON document to standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def tell(text: str) -> None:
    """Write lines to standard error, free of control characters."""
    sys.stderr.write(printable(text) + "\n")


def printable(text: str) -> str:
    """Return text without anything that could steer a terminal; lines stay lines."""
    return "\n".join(
        "".join(sign if sign.isprintable() else " " for sign in line[:_LINE]) for line in text.splitlines()
    )


def cell(text: object, limit: int = 60, style: str = "") -> Text:
    """Return hostile text as one bounded table cell; brackets are shown, not obeyed."""
    from rich.text import Text

    from polyscene.evaluation.report.text import clean

    return Text(clean(text, limit), style=style)
