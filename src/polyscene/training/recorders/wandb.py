"""Weights & Biases, offline."""

from __future__ import annotations

import os
from pathlib import Path

from polyscene.training.recording import Closing, required


class WandbRecorder(Closing):
    """Records a Weights & Biases run offline, into `FOLDER/wandb`; nothing about the machine is taken down.

    Its reports of its own errors, which are sent even offline, are switched off for the whole process.

    Args:
        folder: where the files lie; it is made.
        label: name of the run.

    Raises:
        MissingExtraError: wandb is not installed.
    """

    def __init__(self, folder: Path, label: str = "training") -> None:
        os.environ["WANDB_ERROR_REPORTING"] = "false"
        wandb = required("wandb", "wandb")
        folder.mkdir(parents=True, exist_ok=True)
        quiet = wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            save_code=False,
            x_disable_stats=True,
            x_disable_meta=True,
            x_disable_machine_info=True,
        )
        self._run = wandb.init(
            project="polyscene", name=label, dir=str(folder), mode="offline", settings=quiet
        )

    def scalar(self, name: str, value: float, step: int) -> None:
        """Log one number."""
        self._run.log({name: value}, step=step)

    def close(self) -> None:
        """Finish the run; its own process writes what is waiting, at the latest when this one ends."""
        self._run.finish()
