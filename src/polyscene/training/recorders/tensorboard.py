"""TensorBoard's event files."""

from __future__ import annotations

from pathlib import Path

from polyscene.training.recording import Closing, required


class TensorBoardRecorder(Closing):
    """Writes an event file for `tensorboard --logdir FOLDER`.

    Args:
        folder: where the file lies; it is made.
        label: not used: the folder is the name.

    Raises:
        MissingExtraError: tensorboard is not installed.
    """

    def __init__(self, folder: Path, label: str = "training") -> None:
        board = required("torch.utils.tensorboard", "tensorboard")
        self._writer = board.SummaryWriter(str(folder))

    def scalar(self, name: str, value: float, step: int) -> None:
        """Write one event."""
        self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is waiting and close the file."""
        self._writer.close()
