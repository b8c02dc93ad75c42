"""Shows how long work goes on: bars in a terminal, plain lines elsewhere, always on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, TextIO

from polyscene.cli.console import printable_lines
from polyscene.core.progress import Advance

if TYPE_CHECKING:
    from rich.progress import Progress

EVERY_SECONDS = 15.0
"""Where there are no bars, long work tells a line this often."""


class TerminalProgress:
    """Listens to long work and shows it to a person.

    Args:
        stream: where to; default: standard error as it is when something is told.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._live: Progress | None = None

    @contextmanager
    def track(self, label: str, total: int, unit: str = "") -> Iterator[Advance]:
        """Show one bar of `total` units while the context is open."""
        follow = self._bar if self._file.isatty() else self._lines
        with follow(printable_lines(label), total, unit) as advance:
            yield advance

    def say(self, text: str) -> None:
        """Show one line, above the bars where there are any."""
        if self._live is None:
            self._write(text)
        else:
            self._live.console.print(printable_lines(text), markup=False, emoji=False, highlight=False)

    @property
    def _file(self) -> TextIO:
        return self._stream or sys.stderr

    def _write(self, text: str) -> None:
        self._file.write(printable_lines(text) + "\n")
        self._file.flush()

    @contextmanager
    def _bar(self, label: str, total: int, unit: str) -> Iterator[Advance]:
        if self._live is not None:
            yield self._added(self._live, label, total, unit)
            return
        from polyscene.cli.bars import bars  # nobody else needs what draws them

        with bars(self._file) as live:
            self._live = live
            try:
                yield self._added(live, label, total, unit)
            finally:
                self._live = None

    @staticmethod
    def _added(live: Progress, label: str, total: int, unit: str) -> Advance:
        task = live.add_task(label, total=total, unit=unit)
        return lambda steps: live.advance(task, steps)

    @contextmanager
    def _lines(self, label: str, total: int, unit: str) -> Iterator[Advance]:
        begun = last_line_at = monotonic()
        done = 0

        def advance(steps: int) -> None:
            nonlocal done, last_line_at
            done += steps
            if monotonic() - last_line_at >= EVERY_SECONDS and done < total:
                last_line_at = monotonic()
                self._write(f"{label}: {done:,} of {total:,} {unit}")

        yield advance
        seconds = monotonic() - begun
        rate = f", {done / seconds:,.0f}/s" if seconds > 0 and done / seconds >= 1 else ""
        self._write(f"{label}: {done:,} {unit} in {seconds:.1f} s{rate}")
