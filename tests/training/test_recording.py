from __future__ import annotations

import importlib
import json
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from torch import nn

from polyscene.core.errors import MissingExtraError, UnknownIdError
from polyscene.core.settings.tuning import RECORDERS, TuningDetails
from polyscene.training.budget import Budget
from polyscene.training.loop import fit
from polyscene.training.plan import Plan
from polyscene.training.recorders.jsonl import LINES, JsonLinesRecorder
from polyscene.training.recording import Recorder, open_recorder

WRITTEN = [("loss", 0.5, 1), ("loss", 0.25, 2), ("validation/shop", 3.0, 2)]


def write(recorder: Recorder) -> None:
    for name, value, step in WRITTEN:
        recorder.scalar(name, value, step)
    recorder.close()


@pytest.fixture
def unconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: Any) -> NoReturn:
        raise AssertionError(f"a recorder reached for {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_json_lines_are_there_before_the_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "deep" / LINES
    recorder = JsonLinesRecorder(path.parent)
    recorder.scalar("loss", 0.5, 1)
    recorder.scalar("validation/影视", float("nan"), 2)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    recorder.close()
    assert lines == [
        {"step": 1, "name": "loss", "value": 0.5},
        {"step": 2, "name": "validation/影视", "value": None},
    ]


def test_json_lines_go_on_where_they_ended(tmp_path: Path) -> None:
    for _ in range(2):
        with JsonLinesRecorder(tmp_path) as recorder:
            recorder.scalar("loss", 0.5, 1)
    assert len((tmp_path / LINES).read_text().splitlines()) == 2
    with pytest.raises(ValueError, match="closed"):
        recorder.scalar("loss", 0.5, 2)


def test_nothing_is_written_where_nothing_is_asked_for(tmp_path: Path) -> None:
    write(open_recorder("none", tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_recorder_that_is_not_known_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnknownIdError, match=r"none, jsonl, tensorboard, mlflow, wandb.*found 'paper'"):
        open_recorder("paper", tmp_path)


def test_a_plug_ins_recorder_is_opened_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[str, float, int]] = []

    class Paper(JsonLinesRecorder):
        def scalar(self, name: str, value: float, step: int) -> None:
            taken.append((name, value, step))

    monkeypatch.setattr(RECORDERS, "_added", {"paper": Paper})
    assert TuningDetails(recorder="paper").recorder == "paper"
    write(open_recorder("paper", tmp_path))
    assert taken == WRITTEN


def test_a_training_is_taken_down(
    reader: Callable[..., nn.Module], reading: Callable[..., Any], tmp_path: Path
) -> None:
    with open_recorder("jsonl", tmp_path) as recorder:  # type: ignore[attr-defined]
        plan = Plan(Budget(steps=5), validate_every=2, recorder=recorder)
        curve = fit({"shop": reading(reader(0))}, {"shop": 1.0}, plan, np.random.default_rng(0))
    series: dict[str, list[tuple[int, float]]] = {}
    for line in (tmp_path / LINES).read_text().splitlines():
        entry = json.loads(line)
        series.setdefault(entry["name"], []).append((entry["step"], entry["value"]))
    assert set(series) == {"loss", "gradient_norm", "learning_rate", "validation", "validation/shop"}
    assert series["validation"][1:] == list(zip(curve.steps, curve.validation, strict=True))


def events(path: Path) -> list[bytes]:
    """Read an event file: length, check, record, check."""
    data, place, records = path.read_bytes(), 0, []
    while place < len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        records.append(data[place + 12 : place + 12 + length])
        place += length + 16
    return records


def test_tensorboard_writes_events(tmp_path: Path, unconnected: None) -> None:
    pytest.importorskip("tensorboard")
    event = importlib.import_module("tensorboard.compat.proto.event_pb2").Event
    write(open_recorder("tensorboard", tmp_path))
    (path,) = tmp_path.iterdir()
    read = [event.FromString(record) for record in events(path)]
    values = [
        (value.tag, value.tensor.float_val[0] if value.tensor.float_val else value.simple_value, each.step)
        for each in read
        for value in each.summary.value
    ]
    assert values == WRITTEN


@pytest.mark.filterwarnings("default::DeprecationWarning")  # its own, about how it uses its database
def test_mlflow_writes_a_local_database(tmp_path: Path, unconnected: None) -> None:
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    for _ in range(2):
        write(open_recorder("mlflow", tmp_path, "tuning"))
    client = importlib.import_module("mlflow.tracking").MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("polyscene").experiment_id
    runs = client.search_runs([experiment])
    assert [(run.info.run_name, run.info.status) for run in runs] == [("tuning", "FINISHED")] * 2
    history = client.get_metric_history(runs[0].info.run_id, "loss")
    assert [(each.step, each.value) for each in history] == [(1, 0.5), (2, 0.25)]
    assert runs[0].data.metrics["validation/shop"] == 3.0


def test_wandb_stays_offline(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    write(open_recorder("wandb", tmp_path, "tuning"))
    # Its own process writes, at the latest when it is told to end.
    importlib.import_module("wandb").teardown()
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    (binary,) = folder.glob("run-*.wandb")
    assert b"validation/shop" in binary.read_bytes()


@pytest.mark.parametrize("kind", ["tensorboard", "mlflow", "wandb"])
def test_what_is_not_installed_is_named_with_its_extra(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.import_module

    def absent(name: str, package: str | None = None) -> Any:
        if name.split(".")[0] in ("torch", "mlflow", "wandb"):
            raise ModuleNotFoundError(f"No module named '{kind}'")
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match=rf'pip install "polyscene\[{kind}\]"'):
        open_recorder(kind, tmp_path)
    assert list(tmp_path.iterdir()) == []
