"""JSON lines: needs nothing else."""

from __future__ import annotations

import json
import math
from pathlib import Path

from polyscene.training.recording import Closing

LINES = "training.jsonl"


class JsonLinesRecorder(Closing):
    """Writes one JSON object per scalar, `{"step": 3, "name": "loss", "value": 0.7}`; needs nothing else.

    What is not finite is written as null. Each line is handed to the system at once, so that a killed
    training leaves what it had.

    Args:
        folder: where the file `training.jsonl` lies; it is appended to, and the folder is made.
        label: not used: the file has no place for it.
    """

    def __init__(self, folder: Path, label: str = "training") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / LINES).open("a", encoding="utf-8", buffering=1)

    def scalar(self, name: str, value: float, step: int) -> None:
        """Append one line."""
        number = value if math.isfinite(value) else None
        self._file.write(json.dumps({"step": step, "name": name, "value": number}) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
