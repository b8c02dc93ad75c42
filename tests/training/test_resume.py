"""A training that was killed goes on from its checkpoint and ends where an unbroken one ends, to the bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel

from polyscene.core.errors import RunError
from polyscene.core.settings.tuning import OptimiserName, OptimiserSettings
from polyscene.training.budget import Budget
from polyscene.training.checkpoints import Checkpoints
from polyscene.training.loop import Curve, fit
from polyscene.training.plan import Plan

MakeReader = Callable[..., nn.Module]
MakeLearner = Callable[..., Any]

CHILD = """
import sys
sys.path.insert(0, {folder!r})
import numpy as np, torch
from pathlib import Path
from conftest import Reader, ReadingLearner
from polyscene.training.budget import Budget
from polyscene.training.checkpoints import Checkpoints
from polyscene.training.loop import fit
from polyscene.core.settings.tuning import OptimiserSettings
from polyscene.training.plan import Plan
torch.set_num_threads(1)
learner = ReadingLearner(Reader(0), stop_at=15, kill=True)
checkpoints = Checkpoints(Path({path!r}), every=4)
plan = Plan(Budget(steps=20), OptimiserSettings(learning_rate=0.02), checkpoints=checkpoints)
fit({{"a": learner}}, {{"a": 1.0}}, plan, np.random.default_rng(3))
"""


class Pair:
    """Two learners over one model; the second one may be interrupted."""

    def __init__(self, reader: MakeReader, reading: MakeLearner, stop_at: int | None = None) -> None:
        self.model = reader(0)
        self.learners = {
            "shop": reading(self.model, n=22, seed=1),
            "news": reading(self.model, n=13, seed=2, stop_at=stop_at),
        }
        self.generator = np.random.default_rng(5)

    def train(self, checkpoints: Checkpoints | None, settings: OptimiserSettings, **more: Any) -> Curve:
        budget = more.pop("budget", Budget(epochs=4))
        shares = {"shop": 1.0, "news": 0.5}
        plan = Plan(budget, settings, checkpoints=checkpoints, **more)
        return fit(self.learners, shares, plan, self.generator)

    def state(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.model.state_dict().items()}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.parametrize(
    ("name", "more", "chosen"),
    [
        ("adamw", {}, {}),
        ("adamw", {"accumulation": 2, "warmup": 0.2}, {"validate_every": 3}),
        ("adamw", {"perturbation": 0.1, "precision": "bfloat16"}, {"patience": 2, "validate_every": 2}),
        ("adamw", {}, {"stepping": "epoch"}),
        ("sgd", {"schedule": "linear"}, {}),
        ("sgd", {"momentum": 0.0}, {"budget": Budget(steps=26)}),
        ("adafactor", {}, {}),
    ],
)
def test_interrupted_twice_it_ends_with_the_same_weights(
    reader: MakeReader,
    reading: MakeLearner,
    tmp_path: Path,
    name: OptimiserName,
    more: dict[str, Any],
    chosen: dict[str, Any],
) -> None:
    settings = OptimiserSettings(optimiser=name, learning_rate=0.02, **more)
    whole = Pair(reader, reading)
    expected = whole.train(None, settings, **chosen)
    checkpoints = Checkpoints(tmp_path / "deep" / "state.safetensors", every=2)
    for stop_at in (4, 5):
        broken = Pair(reader, reading, stop_at)
        with pytest.raises(KeyboardInterrupt):
            broken.train(checkpoints, settings, **chosen)
    resumed = Pair(reader, reading)
    assert resumed.train(checkpoints, settings, **chosen) == expected
    assert_same(resumed.state(), whole.state())
    assert resumed.generator.bit_generator.state == whole.generator.bit_generator.state
    assert sum(learner.losses for learner in resumed.learners.values()) < sum(
        learner.losses for learner in whole.learners.values()
    )


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("stop_at", [3, 8])
def test_wherever_it_stops_it_goes_on(
    reader: MakeReader, reading: MakeLearner, tmp_path: Path, every: int, stop_at: int
) -> None:
    settings = OptimiserSettings(learning_rate=0.02)
    whole, broken, resumed = (Pair(reader, reading, stop) for stop in (None, stop_at, None))
    whole.train(None, settings)
    checkpoints = Checkpoints(tmp_path / "state.safetensors", every=every)
    with pytest.raises(KeyboardInterrupt):
        broken.train(checkpoints, settings)
    resumed.train(checkpoints, settings)
    assert_same(resumed.state(), whole.state())


def backbone(name: str) -> nn.Module:
    torch.manual_seed(4)
    module: nn.Module
    if name == "bert":
        module = BertModel(
            BertConfig(
                vocab_size=12,
                hidden_size=8,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=16,
                max_position_embeddings=8,
            )
        )
        return module
    module = LlamaModel(
        LlamaConfig(
            vocab_size=12,
            hidden_size=8,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=8,
            attention_dropout=0.1,
        )
    )
    return module


class Pooled(nn.Module):
    """A language model's mean token, weighed to a number."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.backbone = backbone(name)
        self.out = nn.Linear(8, 1)

    def forward(self, words: Tensor) -> Tensor:
        values: Tensor = self.out(self.backbone(words).last_hidden_state.mean(dim=1))[:, 0]  # (B,)
        return values


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_language_models_go_on_with_dropout_and_perturbation(
    reading: MakeLearner, tmp_path: Path, name: str
) -> None:
    settings = OptimiserSettings(learning_rate=0.01, perturbation=0.2, warmup=0.1)
    budget = Budget(steps=13)
    whole, broken, resumed = (Pair(lambda seed: Pooled(name), reading, stop) for stop in (None, 6, None))
    expected = whole.train(None, settings, budget=budget)
    checkpoints = Checkpoints(tmp_path / "state.safetensors", every=3)
    with pytest.raises(KeyboardInterrupt):
        broken.train(checkpoints, settings, budget=budget)
    assert resumed.train(checkpoints, settings, budget=budget) == expected
    assert_same(resumed.state(), whole.state())
    assert min(expected.validation) < expected.initial


def test_after_kill_9_it_ends_with_the_same_weights(
    reader: MakeReader, reading: MakeLearner, tmp_path: Path
) -> None:
    path = tmp_path / "state.safetensors"
    code = CHILD.format(folder=str(Path(__file__).parent), path=str(path))
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert [file.name for file in tmp_path.iterdir()] == [path.name]

    def trained(checkpoints: Checkpoints | None) -> tuple[Curve, Any]:
        learner = reading(reader(0))
        plan = Plan(Budget(steps=20), OptimiserSettings(learning_rate=0.02), checkpoints=checkpoints)
        return fit({"a": learner}, {"a": 1.0}, plan, np.random.default_rng(3)), learner

    expected, whole = trained(None)
    curve, resumed = trained(Checkpoints(path, every=4))
    assert curve == expected
    assert (whole.losses, resumed.losses) == (20, 8)
    assert_same(resumed.model.state_dict(), whole.model.state_dict())


def test_a_finished_training_is_not_done_again_until_it_is_cleared(
    reader: MakeReader, reading: MakeLearner, tmp_path: Path
) -> None:
    settings, checkpoints = OptimiserSettings(), Checkpoints(tmp_path / "state.safetensors")
    first, second, third = (Pair(reader, reading) for _ in range(3))
    curve = first.train(checkpoints, settings)
    assert second.train(checkpoints, settings) == curve
    assert_same(second.state(), first.state())
    assert second.generator.bit_generator.state == first.generator.bit_generator.state
    assert not any(learner.losses or learner.validated for learner in second.learners.values())
    checkpoints.clear()
    checkpoints.clear()
    third.train(checkpoints, settings)
    assert all(learner.losses for learner in third.learners.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": OptimiserSettings(learning_rate=0.5)}, "another optimiser"),
        ({"budget": Budget(epochs=9)}, "another budget"),
        ({"patience": 3}, "another patience"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    reader: MakeReader, reading: MakeLearner, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    checkpoints = Checkpoints(tmp_path / "state.safetensors")
    Pair(reader, reading).train(checkpoints, OptimiserSettings())
    pair = Pair(reader, reading)
    before = pair.state()
    with pytest.raises(RunError, match=message):
        pair.train(checkpoints, **{"settings": OptimiserSettings(), **change})
    assert_same(pair.state(), before)


def test_a_checkpoint_of_another_model_or_other_data_is_refused(
    reader: MakeReader, reading: MakeLearner, tmp_path: Path
) -> None:
    path, settings = tmp_path / "state.safetensors", OptimiserSettings()
    Pair(reader, reading).train(Checkpoints(path), settings)
    wider = Pair(lambda seed: reader(seed, width=7), reading)
    with pytest.raises(RunError, match="another parameters"):
        wider.train(Checkpoints(path), settings)
    with pytest.raises(RunError, match="same data and model"):
        Pair(reader, reading).train(Checkpoints(path, fingerprint="new"), settings)


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_a_damaged_checkpoint_is_said_to_be_damaged(
    reader: MakeReader, reading: MakeLearner, tmp_path: Path, damage: bytes | None
) -> None:
    checkpoints = Checkpoints(tmp_path / "state.safetensors")
    Pair(reader, reading).train(checkpoints, OptimiserSettings())
    whole = checkpoints.path.read_bytes()
    checkpoints.path.write_bytes(whole[:-9] if damage is None else damage)
    with pytest.raises(RunError, match=r"damaged.*remove the file"):
        Pair(reader, reading).train(checkpoints, OptimiserSettings())


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path / "state.safetensors")
    checkpoints.save({"identity": {}, "step": 1}, {"weight": torch.ones(2)})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(RunError, match="No space left"):
            checkpoints.save({"identity": {}, "step": 2}, {"weight": torch.zeros(2)})
    checkpoint = checkpoints.load({})
    assert checkpoint is not None
    assert checkpoint[0]["step"] == 1
    assert checkpoint[1]["weight"].tolist() == [1.0, 1.0]


def test_a_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(RunError, match="choose another folder"):
        Checkpoints(tmp_path / "file" / "state.safetensors").save({}, {"weight": torch.ones(1)})
