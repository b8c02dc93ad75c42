"""Numbers that nobody asked for."""

from __future__ import annotations

from pathlib import Path

from polyscene.training.recording import Closing


class NoRecorder(Closing):
    """Takes nothing down and leaves no file.

    Args:
        folder: not made.
        label: not used.
    """

    def __init__(self, folder: Path, label: str = "training") -> None:
        self.folder, self.label = folder, label

    def scalar(self, name: str, value: float, step: int) -> None:
        """Drop the number."""
