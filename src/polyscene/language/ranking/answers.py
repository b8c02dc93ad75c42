"""Decoders as rankers: how much more probable a language model finds "Yes" than "No" behind a prompt.

Only reads: nothing is generated and nothing is tuned. Weights are safetensors, no code of a model is run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from polyscene.core.errors import ModelError, shown
from polyscene.core.progress import Progress
from polyscene.core.settings import LanguageSettings
from polyscene.core.types import IntArray
from polyscene.language.encoding import padded
from polyscene.language.model import chosen_autocast, chosen_device
from polyscene.language.quiet import quiet
from polyscene.language.ranking.examples import Prompt
from polyscene.language.ranking.templates import PromptTemplate
from polyscene.language.sources import locate

Values = NDArray[np.float64]

YES, NO = (" Yes", " yes"), (" No", " no")
"""Spellings count together: a model is not asked for its habits in capitals."""
CUE = "\nAnswer:"
NOTHING = "N/A"
BATCH_TOKENS = 4096


@dataclass(frozen=True, eq=False)
class AnswerModel:
    """A loaded causal language model.

    Attributes:
        name: as the settings call it.
        max_tokens: prompts are cut to it at their beginning: the question stands at the end.
        device: where the module lies.
        autocast: what matrix products are computed in; None is float32.
        tokenizer: of the model.
        module: maps token ids to next-token logits; in eval mode.
    """

    name: str
    max_tokens: int
    device: torch.device
    autocast: torch.dtype | None
    tokenizer: PreTrainedTokenizerBase
    module: nn.Module

    def log_odds(self, texts: Sequence[str], yes: Sequence[str] = YES, no: Sequence[str] = NO) -> Values:
        """Return (n,) `log Σ p(yes word | text) - log Σ p(no word | text)`.

        A word of several tokens has the product of their probabilities.

        Raises:
            ModelError: an answer word has no token, or a probability is not finite.
        """
        words = [self._tokens(word) for word in (*yes, *no)]
        if not all(len(word) for word in words):
            raise ModelError(f"expected answer words, found one without any token in {shown((*yes, *no))}")
        room = self.max_tokens - max(len(word) for word in words)
        heads = [self._tokens(text, special=True)[-room:] for text in texts]
        rows = [(np.concatenate([head, word]), len(word)) for head in heads for word in words]
        found = self._word_logs(rows).reshape(len(texts), len(words))  # (n, words)
        if not np.isfinite(found).all():
            raise ModelError(
                f"the language model {shown(self.name)} yields probabilities that are not finite; set "
                "[language] precision = 'float32', or choose another model"
            )
        one, other = found[:, : len(yes)], found[:, len(yes) :]
        return np.asarray(np.logaddexp.reduce(one, axis=1) - np.logaddexp.reduce(other, axis=1))

    def _tokens(self, text: str, special: bool = False) -> IntArray:
        ids = self.tokenizer(text, add_special_tokens=special, split_special_tokens=True, verbose=False)[
            "input_ids"
        ]
        begin = self.tokenizer.bos_token_id
        if special and begin is not None and ids[:1] != [begin]:
            ids = [begin, *ids]  # the first word is foretold from something
        return np.asarray(ids, np.int32)

    def _word_logs(self, rows: Sequence[tuple[IntArray, int]]) -> Values:
        """Return (rows,) log-probabilities of the last tokens of each row, given those before."""
        found = np.zeros(len(rows))
        for places in _batches([len(ids) for ids, _ in rows]):
            ids, mask = padded([rows[place][0] for place in places], 0)
            words = torch.tensor([rows[place][1] for place in places])  # (b,)
            found[places] = self._logs(torch.from_numpy(ids), torch.from_numpy(mask), words)
        return found

    @torch.inference_mode()
    def _logs(self, ids: Tensor, mask: Tensor, words: Tensor) -> Values:
        ids, mask, words = (part.to(self.device) for part in (ids, mask, words))
        with torch.autocast(ids.device.type, dtype=self.autocast, enabled=self.autocast is not None):
            logits = self.module(input_ids=ids, attention_mask=mask, use_cache=False).logits  # (b, length, V)
        logs = torch.log_softmax(logits[:, :-1].float(), dim=-1)  # (b, length - 1, V)
        told = logs.gather(2, ids[:, 1:, None]).squeeze(2).double()  # (b, length - 1)
        place = torch.arange(1, ids.shape[1], device=ids.device)  # of the token foretold
        length = mask.sum(dim=1, keepdim=True)  # (b, 1)
        asked = (place >= length - words[:, None]) & (place < length)  # (b, length - 1)
        return np.asarray((told * asked).sum(dim=1).cpu().numpy(), np.float64)


@dataclass(frozen=True, eq=False)
class AnswerReader:
    """What a decoder says of prompts, free of its own leaning to one word.

    The log-odds for a candidate that says nothing ("N/A") behind the same history are taken off.
    Source: Zhao et al., Calibrate before use, ICML 2021, section 5, in log-odds.
    """

    model: AnswerModel
    template: PromptTemplate
    cue: str = CUE

    def __call__(self, prompts: Sequence[Prompt]) -> Values:
        """Return (n,) log-odds that the candidate is liked, beyond a candidate that says nothing."""
        asked = [self.template.fill(prompt) + self.cue for prompt in prompts]
        silent = [self.template.fill(replace(prompt, candidate=NOTHING)) + self.cue for prompt in prompts]
        places = {text: place for place, text in enumerate(dict.fromkeys([*asked, *silent]))}
        found = self.model.log_odds(list(places))
        return found[[places[text] for text in asked]] - found[[places[text] for text in silent]]


def load_answer_model(
    settings: LanguageSettings, base: Path | None = None, progress: Progress | None = None
) -> AnswerModel:
    """Load a causal language model with the safety rules of `polyscene.language.model.load_model`.

    Raises:
        ModelError: there is no such model, its weights are incomplete, or it foretells no words.
    """
    folder, name = locate(settings, base, progress), shown(settings.model, 200)
    device = chosen_device(settings.device)
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
    except Exception as error:  # loaders raise anything, tokenizers even a bare Exception
        raise ModelError(
            f"the language model {name} cannot be loaded from {shown(str(folder), 200)} as one that "
            f"foretells words: {shown(str(error), 300)}; choose a causal model (LLaMA, GPT and their kin)"
        ) from error
    module, info = loaded
    if info["missing_keys"]:
        raise ModelError(
            f"the weights of the language model {name} are not complete: {len(info['missing_keys'])} "
            f"missing, e.g. {shown(min(info['missing_keys']))}; without its output layer a model "
            "foretells no words"
        )
    positions = getattr(module.config, "max_position_embeddings", None) or settings.max_tokens
    return AnswerModel(
        name=settings.model,
        max_tokens=min(settings.max_tokens, positions),
        device=device,
        autocast=chosen_autocast(settings.precision, device),
        tokenizer=tokenizer,
        module=module.float().to(device).eval(),
    )


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield places of rows of similar length, longest first, within the token budget."""
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    start = 0
    while start < len(order):
        count = max(1, BATCH_TOKENS // lengths[order[start]])
        yield order[start : start + count]
        start += count
