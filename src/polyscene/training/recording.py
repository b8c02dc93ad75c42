"""Where a training's numbers go while it runs: JSON lines, TensorBoard, MLflow or Weights & Biases.

Every recorder writes files into the folder it is given and none sends anything: MLflow writes to a local
database, Weights & Biases stays offline (`wandb sync FOLDER` is the user's to run). What is optional is
imported when it is asked for. Where a resumed training records again, the steps after its last checkpoint are
there twice; the later ones hold.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import re
import time
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Literal, Protocol, Self

from polyscene.core.errors import MissingExtraError

RecorderName = Literal["jsonl", "tensorboard", "mlflow", "wandb"]

LINES = "training.jsonl"
_METRICS_AT_ONCE = 64  # one transaction costs as much as the metrics in it


class Recorder(Protocol):
    """Takes down scalars by name and step."""

    def scalar(self, name: str, value: float, step: int) -> None:
        """Take down one number; `name` may have parts divided by "/"."""
        ...

    def close(self) -> None:
        """Finish writing; nothing is taken down after it."""
        ...


class _Closing:
    """Lets a recorder be opened with `with`."""

    def close(self) -> None:
        """Finish writing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class JsonLinesRecorder(_Closing):
    """Writes one JSON object per scalar, `{"step": 3, "name": "loss", "value": 0.7}`; needs nothing else.

    What is not finite is written as null. Each line is handed to the system at once, so that a killed
    training leaves what it had.

    Args:
        path: the file, appended to; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def scalar(self, name: str, value: float, step: int) -> None:
        """Append one line."""
        number = value if math.isfinite(value) else None
        self._file.write(json.dumps({"step": step, "name": name, "value": number}) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TensorBoardRecorder(_Closing):
    """Writes an event file for `tensorboard --logdir FOLDER`.

    Raises:
        MissingExtraError: tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        board = _required("torch.utils.tensorboard", "tensorboard")
        self._writer = board.SummaryWriter(str(folder))

    def scalar(self, name: str, value: float, step: int) -> None:
        """Write one event."""
        self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is waiting and close the file."""
        self._writer.close()


class MlflowRecorder(_Closing):
    """Records a run in the database `mlflow.db` of a folder, for `mlflow ui --backend-store-uri sqlite:///…`.

    MLflow's own usage reports are switched off, for the whole process.

    Args:
        folder: where the database lies; it is made.
        label: name of the run.

    Raises:
        MissingExtraError: mlflow is not installed.
    """

    def __init__(self, folder: Path, label: str = "training") -> None:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        tracking = _required("mlflow.tracking", "mlflow")
        folder.mkdir(parents=True, exist_ok=True)
        self._client = tracking.MlflowClient(tracking_uri=f"sqlite:///{folder.resolve() / 'mlflow.db'}")
        known = self._client.get_experiment_by_name("polyscene")
        experiment = (
            self._client.create_experiment("polyscene", (folder.resolve() / "artifacts").as_uri())
            if known is None
            else known.experiment_id
        )
        self._run = self._client.create_run(experiment, run_name=label).info.run_id
        self._metric = _required("mlflow.entities", "mlflow").Metric
        self._waiting: list[Any] = []

    def scalar(self, name: str, value: float, step: int) -> None:
        """Log one metric, some dozens at a time; characters that MLflow refuses in names become "_"."""
        key = re.sub(r"[^\w.\-/ ]", "_", name)
        self._waiting.append(self._metric(key, value, int(time.time() * 1000), step))
        if len(self._waiting) >= _METRICS_AT_ONCE:
            self._write()

    def close(self) -> None:
        """Write what is waiting and mark the run as finished."""
        self._write()
        self._client.set_terminated(self._run)

    def _write(self) -> None:
        self._client.log_batch(self._run, metrics=self._waiting)
        self._waiting = []


class WandbRecorder(_Closing):
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
        wandb = _required("wandb", "wandb")
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


def open_recorder(kind: RecorderName, folder: Path, label: str = "training") -> Recorder:
    """Return a recorder that writes into a folder.

    Raises:
        MissingExtraError: the package it needs is not installed.
    """
    if kind == "tensorboard":
        return TensorBoardRecorder(folder)
    if kind == "mlflow":
        return MlflowRecorder(folder, label)
    if kind == "wandb":
        return WandbRecorder(folder, label)
    return JsonLinesRecorder(folder / LINES)


def _required(module: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f'expected the package for recording to {extra}, found {error}; pip install "polyscene[{extra}]"'
        ) from error
