"""Loads the language model that the settings name: published ones, and what `polyscene compress` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from polyscene.core.errors import ModelError
from polyscene.core.progress import Progress, Silent
from polyscene.core.settings.language import LIGHT, LanguageSettings
from polyscene.core.text import shown
from polyscene.language.compression.opening import open_compressed
from polyscene.language.model.language_model import (
    Kind,
    LanguageModel,
    chosen_autocast,
    chosen_device,
    forward,
)
from polyscene.language.model.light_module import load_light
from polyscene.language.model.pooling import Pooling, published_pooling, unusual_steps
from polyscene.language.model.quiet import quiet
from polyscene.language.model.sources import fingerprint, is_compressed, locate


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
        MissingExtraError: what carries it, or runs an exported graph, is not installed.
    """
    listener = progress or Silent()
    if settings.model == LIGHT:
        return load_light(settings)
    folder = locate(settings, base, listener)
    if is_compressed(folder):
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


def load_models(
    settings: Mapping[str, LanguageSettings], base: Path | None = None, progress: Progress | None = None
) -> dict[str, LanguageModel]:
    """Load the language models of several scenarios, each once; see `load_model`.

    Args:
        settings: by scenario.
    """
    loaded: dict[str, LanguageModel] = {}
    for one in settings.values():
        if one.model not in loaded:
            loaded[one.model] = load_model(one, base, progress)
    return {name: loaded[one.model] for name, one in settings.items()}


def weights_in(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Load a model and what its loader says of missing weights: safetensors alone, no code, no network."""
    module, info = AutoModel.from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
    )
    return module, info


def _read(folder: Path, name: str) -> tuple[Kind, PreTrainedTokenizerBase, nn.Module]:
    try:
        with quiet():
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            kind = _kind(config, name)
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, use_fast=True
            )
            module, info = weights_in(folder)
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


def _kind(config: Any, name: str) -> Kind:  # noqa: ANN401 - every architecture has its own class
    if config.is_encoder_decoder:
        raise ModelError(
            f"expected an encoder (the BERT family) or a decoder (the LLaMA family), found {name}, which "
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
