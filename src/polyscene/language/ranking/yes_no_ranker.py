"""Decoders as rankers: how much more probable a language model finds "Yes" than "No" behind a prompt.

Only reads: nothing is generated and nothing is tuned. Weights are safetensors, no code of a model is run.
"""

from __future__ import annotations

import inspect
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
from polyscene.core.settings.language import LanguageSettings
from polyscene.core.types import IntArray
from polyscene.language.model.language_model import chosen_autocast, chosen_device
from polyscene.language.model.quiet import quiet
from polyscene.language.model.sources import locate
from polyscene.language.ranking.examples import Prompt
from polyscene.language.ranking.templates import PromptTemplate
from polyscene.language.text.encoding import padded

Values = NDArray[np.float64]

YES, NO = (" Yes", " yes"), (" No", " no")
"""Spellings count together: a model is not asked for its habits in capitals."""
CUE = "\nAnswer:"
EMPTY_CANDIDATE = "N/A"
MAX_BATCH_TOKENS = 4096


@dataclass(frozen=True, eq=False)
class YesNoModel:
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
        words = [tuple(self._tokens(word).tolist()) for word in (*yes, *no)]
        if not all(words):
            raise ModelError(f"expected answer words, found one without any token in {shown((*yes, *no))}")
        room = self.max_tokens - max(len(word) for word in words)
        heads = [self._tokens(text, special=True)[-room:] for text in texts]
        logs = np.zeros((len(texts), len(words)))
        for stem in dict.fromkeys(word[:-1] for word in words):  # words of one token are read together
            same = [place for place, word in enumerate(words) if word[:-1] == stem]
            logs[:, same] = self._word_logs(heads, stem, [words[place][-1] for place in same])
        if not np.isfinite(logs).all():
            raise ModelError(
                f"the language model {shown(self.name)} yields probabilities that are not finite; set "
                "[language] precision = 'float32', or choose another model"
            )
        one, other = logs[:, : len(yes)], logs[:, len(yes) :]
        return np.asarray(np.logaddexp.reduce(one, axis=1) - np.logaddexp.reduce(other, axis=1))

    def _tokens(self, text: str, special: bool = False) -> IntArray:
        ids = self.tokenizer(text, add_special_tokens=special, split_special_tokens=True, verbose=False)[
            "input_ids"
        ]
        begin = self.tokenizer.bos_token_id
        if special and begin is not None and ids[:1] != [begin]:
            ids = [begin, *ids]  # the first word is predicted from something
        if special and not ids:
            ids = [self.tokenizer.eos_token_id or 0]
        return np.asarray(ids, np.int32)

    def _word_logs(self, heads: Sequence[IntArray], stem: Sequence[int], ends: Sequence[int]) -> Values:
        """Return (n, words) log-probabilities behind each head of `stem` with each of the `ends`."""
        rows = [np.concatenate([head, np.asarray(stem, np.int32)]) for head in heads]
        logs = np.zeros((len(rows), len(ends)))
        for places in _batches([len(row) for row in rows]):
            ids, mask = padded([rows[place] for place in places], 0)
            logs[places] = self._logs(torch.from_numpy(ids), torch.from_numpy(mask), stem, ends)
        return logs

    @torch.inference_mode()
    def _logs(self, ids: Tensor, mask: Tensor, stem: Sequence[int], ends: Sequence[int]) -> Values:
        ids, mask = ids.to(self.device), mask.to(self.device)
        first = mask.sum(dim=1, keepdim=True) - 1 - len(stem)  # (b, 1) from here the word is predicted
        asked = first + torch.arange(len(stem) + 1, device=ids.device)  # (b, tokens of a word)
        kept, places = torch.unique(asked, return_inverse=True)  # rows of a batch are about as long: few
        wanted = {"logits_to_keep": kept} if self._keeps else {}
        with torch.autocast(ids.device.type, dtype=self.autocast, enabled=self.autocast is not None):
            logits = self.module(input_ids=ids, attention_mask=mask, use_cache=False, **wanted).logits
        kept_logits = logits if self._keeps else logits[:, kept]  # (b, kept, V)
        rows = torch.arange(len(ids), device=ids.device)[:, None]
        logs = torch.log_softmax(kept_logits[rows, places].float(), dim=-1)  # (b, tokens of a word, V)
        begun = logs[:, range(len(stem)), list(stem)].double().sum(dim=1, keepdim=True)  # (b, 1)
        whole = begun + logs[:, -1, list(ends)].double()  # (b, words)
        return np.asarray(whole.cpu().numpy())

    @property
    def _keeps(self) -> bool:
        """Whether the module can be asked for the logits of some places only; all of them fill the memory."""
        return "logits_to_keep" in inspect.signature(self.module.forward).parameters


@dataclass(frozen=True, eq=False)
class YesNoRanker:
    """Log-odds of prompts by a decoder, free of its own leaning to one word.

    The log-odds for an empty candidate ("N/A") behind the same history are taken off.
    Source: Zhao et al., Calibrate before use, ICML 2021, section 5, in log-odds.
    """

    model: YesNoModel
    template: PromptTemplate
    cue: str = CUE

    def __call__(self, prompts: Sequence[Prompt]) -> Values:
        """Return (n,) log-odds that the candidate is liked, beyond those of an empty candidate."""
        asked = [self.template.fill(prompt) + self.cue for prompt in prompts]
        neutral = [
            self.template.fill(replace(prompt, candidate=EMPTY_CANDIDATE)) + self.cue for prompt in prompts
        ]
        places = {text: place for place, text in enumerate(dict.fromkeys([*asked, *neutral]))}
        log_odds = self.model.log_odds(list(places))
        return log_odds[[places[text] for text in asked]] - log_odds[[places[text] for text in neutral]]


def load_yes_no_model(
    settings: LanguageSettings, base: Path | None = None, progress: Progress | None = None
) -> YesNoModel:
    """Load a causal language model with the safety rules of `polyscene.language.model.loading.load_model`.

    Raises:
        ModelError: there is no such model, its weights are incomplete, or it predicts no words.
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
            f"predicts words: {shown(str(error), 300)}; choose a causal model (the LLaMA and GPT families)"
        ) from error
    module, info = loaded
    if info["missing_keys"]:
        raise ModelError(
            f"the weights of the language model {name} are not complete: {len(info['missing_keys'])} "
            f"missing, e.g. {shown(min(info['missing_keys']))}; without its output layer a model "
            "predicts no words"
        )
    positions = getattr(module.config, "max_position_embeddings", None) or settings.max_tokens
    return YesNoModel(
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
        count = max(1, MAX_BATCH_TOKENS // lengths[order[start]])
        yield order[start : start + count]
        start += count
