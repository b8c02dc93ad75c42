"""The upper layers of a language model, run from what the frozen lower ones said: the cheap part of tuning.

The lower layers are not cut out: for the time of a call they hand on what they are given, so that masks,
positions and the final norm stay the architecture's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from polyscene.language.model.architecture import stack
from polyscene.language.model.language_model import LanguageModel, hidden_states


def upper_states(
    model: LanguageModel, first: int, hidden: Tensor, mask: Tensor, tuples: bool
) -> tuple[Tensor, ...]:
    """Return what `hidden_states` does, the first `first` layers' share of it replaced by `hidden`.

    Args:
        model: encoder or decoder.
        first: the first layer that really runs, from 1.
        hidden: (n, length, d) what layer `first` reads; gradients flow through it.
        mask: (n, length) 1 for tokens, 0 for padding.
        tuples: whether this architecture's layers answer with tuples, see `answers_in_tuples`.
    """
    ids = torch.zeros(mask.shape, dtype=torch.long, device=mask.device)  # read by layers that do not run
    with _handing_on(list(stack(model.module))[:first], hidden, tuples):
        return hidden_states(model.module, ids, mask, model.autocast)


def answers_in_tuples(model: LanguageModel) -> bool:
    """Return whether a layer's output is a tuple that begins with the hidden state."""
    answers: list[bool] = []
    layer = stack(model.module)[0]
    handle = layer.register_forward_hook(
        lambda module, inputs, output: answers.append(isinstance(output, tuple))
    )
    ids = torch.zeros((1, 1), dtype=torch.long, device=model.device)
    try:
        with torch.inference_mode():
            hidden_states(model.module, ids, torch.ones_like(ids), None)
    finally:
        handle.remove()
    return answers[0]


@contextmanager
def _handing_on(layers: Sequence[nn.Module], hidden: Tensor, tuples: bool) -> Iterator[None]:
    """Let the layers answer with `hidden`, whatever they are asked."""
    answer: Any = (hidden,) if tuples else hidden

    def forward(*inputs: object, **named: object) -> Any:  # noqa: ANN401 - as the layer itself
        return answer

    for layer in layers:
        layer.forward = forward
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward
