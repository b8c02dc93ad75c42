"""A language model as the rest of the house sees it: text in tokens, tokens to one vector per text.

Encoders (BERT and its kin) are pooled over their tokens, decoders (LLaMA, GPT and their kin) are read at
their last token.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from polyscene.core.errors import ModelError, shown
from polyscene.core.progress import Progress, Silent
from polyscene.core.settings import LanguageSettings
from polyscene.core.threads import has_fast_bfloat16
from polyscene.language.pooling import Pooling, pool, published_pooling, unusual_steps
from polyscene.language.projection import Layers
from polyscene.language.quiet import quiet
from polyscene.language.sources import fingerprint, is_compressed, locate

Kind = Literal["encoder", "decoder"]


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A loaded language model, ready to encode.

    Attributes:
        name: as the settings call it.
        kind: "encoder" reads in both directions, "decoder" from left to right.
        pooling: how token vectors become one: their mean, the first one, or the last one.
        dimension: size of a text's vector.
        max_tokens: longer texts are cut; never more than the model has positions for.
        fingerprint: SHA-256 in hex over configuration, weights and tokenizer.
        device: where the module lies.
        autocast: what matrix products are computed in; None means as the weights are, float32.
        tokenizer: has a padding token.
        module: float32 weights, in eval mode.
        projection: from the pooled layers to the vector; None takes the last layer, normalised.
    """

    name: str
    kind: Kind
    pooling: Pooling
    dimension: int
    max_tokens: int
    fingerprint: str
    device: torch.device
    autocast: torch.dtype | None
    tokenizer: PreTrainedTokenizerBase
    module: nn.Module
    projection: Layers | None = None

    @property
    def precision(self) -> str:
        """What matrix products are computed in: "float32" or "bfloat16"."""
        return "float32" if self.autocast is None else str(self.autocast).removeprefix("torch.")

    @property
    def width(self) -> int:
        """Size of a hidden state."""
        return int(self.module.config.hidden_size)  # type: ignore[union-attr, arg-type]

    @property
    def words(self) -> nn.Embedding:
        """The embedded vocabulary."""
        found: nn.Embedding = self.module.get_input_embeddings()  # type: ignore[operator]
        return found

    def embed(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return one unit vector per text; gradients flow unless the caller stops them.

        Args:
            ids: (n, length) token ids.
            mask: (n, length) 1 where there is a token, 0 where there is padding, on either side.

        Returns:
            (n, dimension) float32, each row of length 1 (or 0, where a projection finds no direction).
        """
        if self.projection is None:
            return forward(self.module, ids, mask, self.pooling, self.autocast)
        states = hidden_states(self.module, ids, mask, self.autocast)
        pooled = [pool(states[layer].float(), mask, self.pooling) for layer in self.projection.layers]
        lengths = mask.sum(dim=1)  # (n,)
        found: Tensor = self.projection(
            torch.stack(pooled, dim=1), ids[mask > 0], lengths.cumsum(0) - lengths
        )
        return found


def forward(
    module: nn.Module, ids: Tensor, mask: Tensor, pooling: Pooling, autocast: torch.dtype | None
) -> Tensor:
    """Return (n, d) unit vectors of (n, length) token ids, without knowing a tokenizer."""
    with torch.autocast(ids.device.type, dtype=autocast, enabled=autocast is not None):
        hidden = module(input_ids=ids, attention_mask=mask).last_hidden_state  # (n, length, d)
    return functional.normalize(pool(hidden.float(), mask, pooling), dim=-1)  # (n, d)


def hidden_states(
    module: nn.Module, ids: Tensor, mask: Tensor, autocast: torch.dtype | None
) -> tuple[Tensor, ...]:
    """Return the embedded tokens and every layer's output, each (n, length, d); the last one is final."""
    with torch.autocast(ids.device.type, dtype=autocast, enabled=autocast is not None):
        output = module(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    return (*output.hidden_states[:-1], output.last_hidden_state)


def load_model(
    settings: LanguageSettings, base: Path | None = None, progress: Progress | None = None
) -> LanguageModel:
    """Load the language model that the settings name, also one that `polyscene compress` wrote.

    Args:
        settings: which model, how long its texts, where and in what precision to compute.
        base: what a relative model folder is relative to; default: the current folder.
        progress: told what takes time or is left out.

    Raises:
        ModelError: there is no such model, it may not be fetched, its weights are not the published ones
            or not complete, it is neither encoder nor decoder, or the device is not there.
        MissingExtraError: it is an exported graph, and what runs it is not installed.
    """
    listener = progress or Silent()
    folder = locate(settings, base, listener)
    if is_compressed(folder):
        from polyscene.language.compression.opening import open_compressed  # late: it knows this file

        opened = open_compressed(folder, settings.precision, settings.max_tokens, settings.device)
        return replace(opened, name=settings.model)
    device = chosen_device(settings.device)
    name = shown(settings.model, 200)
    kind, tokenizer, module = _read(folder, name)
    for step in unusual_steps(folder):
        listener.say(f"the language model {name} is used without its step {shown(step)}")
    _ensure_padding(tokenizer)
    module = module.float().to(device).eval()
    pooling = published_pooling(folder) or ("mean" if kind == "encoder" else "last")
    return LanguageModel(
        name=settings.model,
        kind=kind,
        pooling=pooling,
        dimension=_dimension(module, device, pooling),
        max_tokens=_max_tokens(settings.max_tokens, module, tokenizer),
        fingerprint=fingerprint(folder),
        device=device,
        autocast=chosen_autocast(settings.precision, device),
        tokenizer=tokenizer,
        module=module,
    )


def _read(folder: Path, name: str) -> tuple[Kind, PreTrainedTokenizerBase, nn.Module]:
    try:
        with quiet():
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            kind = _kind(config, name)
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, use_fast=True
            )
            module, info = AutoModel.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
    except ModelError:
        raise
    except Exception as error:  # loaders raise anything, tokenizers even a bare Exception
        raise ModelError(
            f"the language model {name} cannot be loaded from {shown(str(folder), 200)}: "
            f"{shown(str(error), 300)}; check that its files are whole and of a kind that transformers knows"
        ) from error
    _refuse_missing(info, name)
    if kind == "decoder":
        module.config.use_cache = False  # we read each text once, and write none
    return kind, tokenizer, module


def chosen_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" is CUDA where there is one, else the processor.

    Raises:
        ModelError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise ModelError(
            f"expected a device that is here, found {shown(name)}; use 'auto' or 'cpu' in [language] device"
        ) from error
    return device


def chosen_autocast(precision: str, device: torch.device) -> torch.dtype | None:
    """Return what to compute matrix products in; None is float32.

    "auto" is bfloat16 where the hardware multiplies it: 3 times the speed at cosine .9999.
    """
    if precision == "auto":
        return torch.bfloat16 if _multiplies_bfloat16(device) else None
    return torch.bfloat16 if precision == "bfloat16" else None


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and has_fast_bfloat16()


def _kind(config: Any, name: str) -> Kind:  # noqa: ANN401 - every architecture has its own class
    if config.is_encoder_decoder:
        raise ModelError(
            f"expected an encoder (BERT and its kin) or a decoder (LLaMA and its kin), found {name}, which "
            "is both; choose a sentence-embedding model, e.g. 'intfloat/multilingual-e5-small'"
        )
    causal = config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    masked = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return "decoder" if getattr(config, "is_decoder", False) or (causal and not masked) else "encoder"


def _refuse_missing(info: dict[str, Any], name: str) -> None:
    """Refuse weights that would be drawn at random; a pooler's do not matter, we pool ourselves."""
    missing = sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise ModelError(
            f"the weights of the language model {name} are not complete: {len(missing)} missing, e.g. "
            f"{shown(missing[0])}; fetch or save the model again"
        )


def _ensure_padding(tokenizer: PreTrainedTokenizerBase) -> None:
    if tokenizer.pad_token is None:
        known = (tokenizer.eos_token, tokenizer.bos_token, tokenizer.unk_token)
        tokenizer.pad_token = next((token for token in known if token), tokenizer.convert_ids_to_tokens(0))


def _dimension(module: nn.Module, device: torch.device, pooling: Pooling) -> int:
    ids = torch.zeros((1, 1), dtype=torch.long, device=device)
    with torch.inference_mode():
        return forward(module, ids, torch.ones_like(ids), pooling, None).shape[-1]


def _max_tokens(wanted: int, module: nn.Module, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the least of what is wanted and what tokenizer and position table allow."""
    positions = getattr(module.config, "max_position_embeddings", None) or 0
    for path, part in module.named_modules():
        if path.endswith("position_embeddings") and getattr(part, "padding_idx", None) is not None:
            positions -= part.padding_idx + 1  # RoBERTa counts positions from behind its padding id
    allowed = [limit for limit in (positions, tokenizer.model_max_length) if limit > 0]
    return int(min([wanted, *allowed]))
