"""MLflow's local database."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

from polyscene.training.recording import Closing, required

_METRICS_PER_TRANSACTION = 64  # one transaction costs as much as the metrics in it


class MlflowRecorder(Closing):
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
        tracking = required("mlflow.tracking", "mlflow")
        folder.mkdir(parents=True, exist_ok=True)
        self._client = tracking.MlflowClient(tracking_uri=f"sqlite:///{folder.resolve() / 'mlflow.db'}")
        known = self._client.get_experiment_by_name("polyscene")
        experiment = (
            self._client.create_experiment("polyscene", (folder.resolve() / "artifacts").as_uri())
            if known is None
            else known.experiment_id
        )
        self._run = self._client.create_run(experiment, run_name=label).info.run_id
        self._metric = required("mlflow.entities", "mlflow").Metric
        self._waiting: list[Any] = []

    def scalar(self, name: str, value: float, step: int) -> None:
        """Log one metric, some dozens at a time; characters that MLflow refuses in names become "_"."""
        key = re.sub(r"[^\w.\-/ ]", "_", name)
        self._waiting.append(self._metric(key, value, int(time.time() * 1000), step))
        if len(self._waiting) >= _METRICS_PER_TRANSACTION:
            self._write()

    def close(self) -> None:
        """Write what is waiting and mark the run as finished."""
        self._write()
        self._client.set_terminated(self._run)

    def _write(self) -> None:
        self._client.log_batch(self._run, metrics=self._waiting)
        self._waiting = []
