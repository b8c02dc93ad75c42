"""Tunes an encoder on labelled texts by binary cross-entropy, with a linear head that is then dropped.

It knows neither prompts nor templates. The given model stays as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from polyscene.core.errors import ModelError
from polyscene.core.seeds import derived, generator
from polyscene.core.types import IntArray
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.text.encoding import padded, tokenised
from polyscene.language.tuning.methods import must_be_tunable

MAX_GRADIENT_NORM = 1.0


@dataclass(frozen=True)
class CrossEncoderTuning:
    """How an encoder is tuned on labelled pairs.

    Attributes:
        steps: of AdamW; 0 leaves the encoder frozen.
        batch: pairs per step.
        rate: learning rate of the encoder; it warms up over a tenth of the steps, then decays linearly.
        head_rate: of the head.
        decay: weight decay of the encoder.
        seed: of batches and dropout.
    """

    steps: int = 0
    batch: int = 16
    rate: float = 5e-5
    head_rate: float = 1e-2
    decay: float = 0.01
    seed: int = 0


def tuned(
    model: LanguageModel, texts: Sequence[str], labels: NDArray[np.float64], tuning: CrossEncoderTuning
) -> LanguageModel:
    """Return a copy of the model after `tuning.steps` steps on (n,) labels of n texts, n at least 1.

    Raises:
        ModelError: the model cannot learn, no text has a word in it, or the loss is not finite any more.
    """
    must_be_tunable(model, "full", "set [text_ranker] steps = 0")
    learner = replace(model, module=copy.deepcopy(model.module).train())
    draws, tokens = generator(tuning.seed, "pairs"), tokenised(model, texts)
    with_words = np.flatnonzero([len(row) for row in tokens])
    if not len(with_words):
        raise ModelError("expected labelled texts to tune on, found none with a word in it")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived(tuning.seed, "pairs", "dropout"))
        head = _zero_head(model)
        optimiser = _optimiser(learner.module, head, tuning)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_share(step, tuning.steps))
        for _ in range(tuning.steps):
            rows = with_words[draws.integers(0, len(with_words), min(tuning.batch, len(with_words)))]
            vectors = _embed(learner, [tokens[row] for row in rows])  # (b, d)
            targets = torch.from_numpy(labels[rows]).float().to(model.device)  # (b,)
            _step(head(vectors).squeeze(1), targets, optimiser)
            schedule.step()
    learner.module.eval()
    return learner


def rate_share(step: int, steps: int) -> float:
    """Return the share of the learning rate at a step: up over a tenth of them, then down to zero."""
    warm = max(1, steps // 10)
    return (step + 1) / warm if step < warm else max(0.0, (steps - step) / max(1, steps - warm))


def _zero_head(model: LanguageModel) -> nn.Linear:
    head = nn.Linear(model.dimension, 1).to(model.device)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def _optimiser(module: nn.Module, head: nn.Linear, tuning: CrossEncoderTuning) -> torch.optim.Optimizer:
    encoder = {"params": list(module.parameters()), "lr": tuning.rate, "weight_decay": tuning.decay}
    return torch.optim.AdamW(
        [encoder, {"params": list(head.parameters()), "lr": tuning.head_rate, "weight_decay": 0.0}]
    )


def _embed(model: LanguageModel, rows: Sequence[IntArray]) -> Tensor:
    ids, mask = padded(rows, int(model.tokenizer.pad_token_id))
    return model.embed(torch.from_numpy(ids).to(model.device), torch.from_numpy(mask).to(model.device))


def _step(logits: Tensor, targets: Tensor, optimiser: torch.optim.Optimizer) -> None:
    loss = functional.binary_cross_entropy_with_logits(logits, targets)
    if not torch.isfinite(loss):
        raise ModelError("expected a finite loss while tuning on pairs, found none; lower the learning rate")
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    for group in optimiser.param_groups:
        nn.utils.clip_grad_norm_(group["params"], MAX_GRADIENT_NORM)
    optimiser.step()
