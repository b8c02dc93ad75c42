"""What the verbs write: answers to standard output, all else to standard error, only what is printable."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

from polyscene.core.text import one_line, printable, redacted

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

PLAIN_WIDTH = 140
"""Columns of a table that goes to a file or a pipe."""

MIN_WIDTH = 40
"""Columns below which nothing is laid out: a terminal may say anything of itself."""

MAX_LINE_LENGTH = 10_000


def output() -> Console:
    """Return the console for answers."""
    from rich.console import Console

    return Console(width=width(), highlight=False, markup=False)


def width() -> int:
    """Return how many columns a table may take: COLUMNS where it is set, else the terminal's.

    What goes to a file or a pipe without COLUMNS gets as many as a table needs, within reason.
    """
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return max(int(columns), MIN_WIDTH)
    if sys.stdout.isatty():
        return max(shutil.get_terminal_size().columns, MIN_WIDTH)
    return PLAIN_WIDTH


def show(*parts: RenderableType) -> None:
    """Write tables and sentences to standard output; nothing in a sentence is taken for markup."""
    console = output()
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))


def show_json(value: Any) -> None:  # noqa: ANN401 - whatever JSON can say
    """Write one JSON document to standard output."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def tell(text: str) -> None:
    """Write lines to standard error, free of control characters and of secrets."""
    sys.stderr.write(printable_lines(redacted(text)) + "\n")


def printable_lines(text: str) -> str:
    """Return text without anything that could steer a terminal; lines stay lines."""
    return printable("\n".join(line[:MAX_LINE_LENGTH] for line in text.splitlines()))


def cell(text: object, limit: int = 60, style: str = "") -> Text:
    """Return hostile text as one bounded table cell; brackets are shown, not obeyed."""
    from rich.text import Text

    return Text(one_line(text, limit), style=style)
