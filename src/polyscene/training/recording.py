"""Where a training's numbers go while it runs: JSON lines, TensorBoard, MLflow, W&B, a plug-in's.

Every recorder writes files into the folder it is given and none sends anything: MLflow writes to a local
database, Weights & Biases stays offline (`wandb sync FOLDER` is the user's to run). What is optional is
imported when it is asked for. Where a resumed training records again, the steps after its last checkpoint are
there twice; the later ones hold.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Protocol, Self

from polyscene.core.errors import MissingExtraError
from polyscene.core.settings.tuning import RECORDERS


class Recorder(Protocol):
    """Takes down scalars by name and step."""

    def scalar(self, name: str, value: float, step: int) -> None:
        """Take down one number; `name` may have parts divided by "/"."""
        ...

    def close(self) -> None:
        """Finish writing; nothing is taken down after it."""
        ...


class Closing:
    """Lets a recorder be opened with `with`."""

    def close(self) -> None:
        """Finish writing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_recorder(kind: str, folder: Path, label: str = "training") -> Recorder:
    """Return a recorder that writes into a folder.

    Args:
        kind: a name of the entry points `polyscene.recorders`, each a class of `(folder, label)`.
        folder: made when it is needed.
        label: name of the training, where the recorder has a place for it.

    Raises:
        UnknownIdError: there is no such kind.
        MissingExtraError: the package it needs is not installed.
    """
    recorder: Recorder = RECORDERS[kind](folder, label)
    return recorder


def required(module: str, extra: str) -> ModuleType:
    """Return a module of an optional package.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f'expected the package for recording to {extra}, found {error}; pip install "polyscene[{extra}]"'
        ) from error
