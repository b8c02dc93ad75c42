from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from polyscene.core.errors import ModelError
from polyscene.language.model.pooling import Pooling, pool, published_pooling, unusual_steps

HIDDEN = torch.arange(8.0).reshape(1, 4, 2)  # tokens (0, 1), (2, 3), (4, 5), (6, 7)


@pytest.mark.parametrize(
    ("pooling", "mask", "expected"),
    [
        ("mean", [1, 1, 0, 0], [1.0, 2.0]),
        ("mean", [0, 0, 1, 1], [5.0, 6.0]),
        ("mean", [0, 0, 0, 0], [0.0, 0.0]),
        ("cls", [1, 1, 1, 0], [0.0, 1.0]),
        ("cls", [0, 1, 1, 1], [2.0, 3.0]),
        ("last", [1, 1, 1, 0], [4.0, 5.0]),
        ("last", [0, 0, 1, 1], [6.0, 7.0]),
        ("last", [1, 0, 0, 0], [0.0, 1.0]),
    ],
)
def test_pooling_respects_padding_on_either_side(
    pooling: Pooling, mask: list[int], expected: list[float]
) -> None:
    assert pool(HIDDEN, torch.tensor([mask]), pooling)[0].tolist() == expected


@pytest.mark.parametrize(
    ("settings", "pooling"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_lasttoken": True}, "last"),
        ({"pooling_mode": "cls"}, "cls"),
    ],
)
def test_published_pooling_is_honoured(tmp_path: Path, settings: object, pooling: Pooling) -> None:
    assert published_pooling(tmp_path) is None
    _write(tmp_path, json.dumps(settings))
    assert published_pooling(tmp_path) == pooling


@pytest.mark.parametrize(
    "text",
    [
        '{"pooling_mode_max_tokens": true}',
        '{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true}',
        '{"pooling_mode": ["mean", "cls"]}',
        '["mean"]',
        "{damaged",
    ],
)
def test_pooling_that_we_do_not_have_is_refused(tmp_path: Path, text: str) -> None:
    _write(tmp_path, text)
    with pytest.raises(ModelError):
        published_pooling(tmp_path)


def test_unusual_steps_are_named(tmp_path: Path) -> None:
    steps = [{"type": f"sentence_transformers.models.{name}"} for name in ("Transformer", "Pooling", "Dense")]
    assert unusual_steps(tmp_path) == []
    (tmp_path / "modules.json").write_text(json.dumps(steps))
    assert unusual_steps(tmp_path) == ["Dense"]


def _write(folder: Path, text: str) -> None:
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(text)
