"""The upper layers alone say what the whole model says, and leave its layers as they were."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from polyscene.language.model.architecture import stack
from polyscene.language.model.language_model import LanguageModel, hidden_states
from polyscene.language.tuning.methods import shared_copy
from polyscene.language.tuning.partial_forward import answers_in_tuples, upper_states


@pytest.fixture(params=["encoder", "decoder", "gpt2"])
def model(request: pytest.FixtureRequest) -> LanguageModel:
    language_model: LanguageModel = request.getfixturevalue(request.param)
    return language_model


@pytest.fixture
def padded_ids() -> tuple[Tensor, Tensor]:
    ids = torch.arange(12).reshape(2, 6) + 4
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])
    return ids, mask


def test_upper_layers_say_what_the_whole_model_says(
    model: LanguageModel, padded_ids: tuple[Tensor, Tensor]
) -> None:
    ids, mask = padded_ids
    first = len(stack(model.module)) - 1
    with torch.inference_mode():
        whole = hidden_states(model.module, ids, mask, None)
        upper = upper_states(model, first, whole[first], mask, answers_in_tuples(model))
    assert len(upper) == len(whole) == len(stack(model.module)) + 1
    for state, wanted in zip(upper[first:], whole[first:], strict=True):
        torch.testing.assert_close(state[mask > 0], wanted[mask > 0], atol=1e-5, rtol=1e-4)


def test_layers_run_again_as_they_did(model: LanguageModel, padded_ids: tuple[Tensor, Tensor]) -> None:
    ids, mask = padded_ids
    before = [vars(layer).get("forward") for layer in stack(model.module)]
    with torch.inference_mode():
        whole = hidden_states(model.module, ids, mask, None)
        upper_states(model, 1, whole[1], mask, answers_in_tuples(model))
        again = hidden_states(model.module, ids, mask, None)
    assert torch.equal(whole[-1], again[-1])
    assert [vars(layer).get("forward") for layer in stack(model.module)] == before


def test_layers_run_again_after_an_error(model: LanguageModel, padded_ids: tuple[Tensor, Tensor]) -> None:
    ids, mask = padded_ids

    def fail(layer: nn.Module, inputs: object) -> None:
        raise RuntimeError("the last layer broke")

    with torch.inference_mode():
        whole = hidden_states(model.module, ids, mask, None)
        handle = stack(model.module)[-1].register_forward_pre_hook(fail)
        with pytest.raises(RuntimeError, match="the last layer broke"):
            upper_states(model, 1, whole[1], mask, answers_in_tuples(model))
        handle.remove()
        again = hidden_states(model.module, ids, mask, None)
    assert torch.equal(whole[-1], again[-1])


@pytest.mark.parametrize("tuples", [False, True])
def test_layers_may_answer_in_tuples(
    encoder: LanguageModel, padded_ids: tuple[Tensor, Tensor], tuples: bool
) -> None:
    """Wraps what the layers answer, as older architectures do."""
    ids, mask = padded_ids
    module = _Talkative(encoder.module, tuples)
    model = LanguageModel(**{**vars(encoder), "module": module})
    assert answers_in_tuples(model) is tuples
    with torch.inference_mode():
        whole = hidden_states(module, ids, mask, None)
        upper = upper_states(model, 2, whole[2], mask, tuples)
    torch.testing.assert_close(upper[-1][mask > 0], whole[-1][mask > 0], atol=1e-5, rtol=1e-4)


class _Talkative(nn.Module):
    """An encoder whose layers answer in tuples, if wanted, and whose stack takes them apart."""

    def __init__(self, module: nn.Module, tuples: bool) -> None:
        super().__init__()
        self.inner, self.config = shared_copy(module), module.config
        self.layers = nn.ModuleList(_Layer(layer, tuples) for layer in stack(self.inner))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, output_hidden_states: bool) -> object:
        hidden = self.inner.embeddings(input_ids)  # type: ignore[operator]
        mask = (1.0 - attention_mask[:, None, None, :]) * -1e9
        states = [hidden]
        for layer in self.layers:
            answer = layer(hidden, mask)
            hidden = answer[0] if isinstance(answer, tuple) else answer
            states.append(hidden)
        return _Output(tuple(states), hidden)


class _Layer(nn.Module):
    def __init__(self, layer: nn.Module, tuples: bool) -> None:
        super().__init__()
        self.layer, self.tuples = layer, tuples

    def forward(self, hidden: Tensor, mask: Tensor) -> object:
        answer = self.layer(hidden, mask)
        states = answer[0] if isinstance(answer, tuple) else answer
        return (states, None) if self.tuples else states


class _Output:
    def __init__(self, hidden_states: tuple[Tensor, ...], last: Tensor) -> None:
        self.hidden_states, self.last_hidden_state = hidden_states, last
