"""Token vectors to one vector per text, and what a sentence-transformers folder says about how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from polyscene.core.errors import ModelError, shown

Pooling = Literal["mean", "cls", "last"]

_POOLING_NAMES: dict[str, Pooling] = {"mean": "mean", "cls": "cls", "lasttoken": "last"}
_OLD_POOLING_KEYS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "lasttoken",
}
_KNOWN_STEPS = ("Transformer", "Pooling", "Normalize")


def pool(hidden: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """Return one vector per text.

    Args:
        hidden: (n, length, d) token vectors.
        mask: (n, length) 1 for tokens, 0 for padding, which may be on the left or on the right.
        pooling: "mean" over the tokens, "cls" the first token, "last" the last token.

    Returns:
        (n, d); a row without any token is 0 under "mean".
    """
    if pooling == "mean":
        weights = mask.unsqueeze(-1).to(hidden.dtype)  # (n, length, 1)
        return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1.0)  # (n, d)
    places = torch.arange(mask.shape[1], device=mask.device)  # (length,)
    if pooling == "cls":
        place = mask.argmax(1)  # (n,) the first 1
    else:
        place = (mask * places).argmax(1)  # (n,) the last 1
    return hidden[torch.arange(len(hidden), device=hidden.device), place]  # (n, d)


def published_pooling(folder: Path) -> Pooling | None:
    """Return the pooling that `1_Pooling/config.json` asks for; None where there is no such file.

    Raises:
        ModelError: it asks for one that we do not have, or is damaged.
    """
    settings = _json(folder / "1_Pooling" / "config.json")
    if settings is None:
        return None
    mode = _mode(settings) if isinstance(settings, dict) else None
    if mode not in _POOLING_NAMES:
        raise ModelError(
            f"the language model in {shown(str(folder), 200)} pools its tokens as "
            f"{shown(mode or settings, 200)}; expected one of " + ", ".join(_POOLING_NAMES)
        )
    return _POOLING_NAMES[mode]


def unusual_steps(folder: Path) -> list[str]:
    """Return the steps in `modules.json` beyond reading, pooling and normalising."""
    steps = _json(folder / "modules.json")
    names = (
        [str(step.get("type", "")) for step in steps if isinstance(step, dict)]
        if isinstance(steps, list)
        else []
    )
    return [name for name in (name.rpartition(".")[2] for name in names) if name not in _KNOWN_STEPS]


def _mode(settings: dict[str, object]) -> str | None:
    old = [mode for key, mode in _OLD_POOLING_KEYS.items() if settings.get(key)]
    mode = settings.get("pooling_mode", old[0] if len(old) == 1 else None)
    return mode if isinstance(mode, str) else None


def _json(path: Path) -> object:
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(
            f"the language model is damaged: expected JSON in {shown(str(path), 200)}, found "
            f"{shown(str(error), 200)}; fetch or save the model again"
        ) from error
