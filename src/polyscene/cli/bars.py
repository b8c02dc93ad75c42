"""Bars of long work in a terminal."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text


class _Rate(ProgressColumn):
    """Steps done, all steps, and steps per second."""

    def render(self, task: Task) -> Text:
        done, total, unit = int(task.completed), int(task.total or 0), task.fields["unit"]
        speed = task.finished_speed or task.speed
        rate = f", {speed:,.0f}/s" if speed is not None and speed >= 1 else ""
        return Text(f"{done:,} of {total:,} {unit}{rate}")


def bars(stream: TextIO) -> Progress:
    """Return bars that have what is done, how fast and for how long beside them."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        _Rate(),
        TimeElapsedColumn(),
        console=Console(file=stream),
    )
