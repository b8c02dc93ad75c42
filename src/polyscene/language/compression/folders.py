"""Writes smaller models: as ordinary folders that transformers can load, or with a note of ours beside them.

An ordinary folder is what `[language] model = "folder"` takes. Where transformers has no words for what was
done, `compressed.json` says what it was, and `polyscene.language.compression.opening` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from polyscene.core.errors import ModelError, shown
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.pooling import Pooling
from polyscene.language.model.quiet import quiet
from polyscene.language.model.sources import NOTE

WEIGHTS = "compressed.safetensors"
FORMAT = 1
_PUBLISHED: dict[Pooling, str] = {"mean": "mean", "cls": "cls", "last": "lasttoken"}


def save_ordinary(model: LanguageModel, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write configuration, weights, tokenizer and pooling as transformers and sentence-transformers do.

    Args:
        model: whose module is one of transformers' own.
        folder: made where it is missing.
        dtype: what the weights are stored in; they are read back as float32.
    """
    module: Any = model.module
    with quiet():
        stored = {name: part.detach().to(dtype).contiguous() for name, part in module.state_dict().items()}
        module.save_pretrained(folder, state_dict=stored)
    save_reading(model, folder)


def save_noted(
    model: LanguageModel, folder: Path, way: str, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> None:
    """Write what transformers has no words for: configuration, tokenizer, tensors, and what was done.

    Args:
        model: what was made; its configuration is written as it was before.
        folder: made where it is missing.
        way: read back by `opening`.
        facts: JSON that belongs to the way.
        tensors: by name, contiguous.
    """
    config: Any = model.module.config
    folder.mkdir(parents=True, exist_ok=True)
    with quiet():
        config.save_pretrained(folder)
    save_file({name: part.contiguous() for name, part in tensors.items()}, folder / WEIGHTS)
    save_reading(model, folder)
    write_note(model, folder, way, facts)


def save_reading(model: LanguageModel, folder: Path) -> None:
    """Write the tokenizer and how tokens become one vector."""
    folder.mkdir(parents=True, exist_ok=True)
    with quiet():
        model.tokenizer.save_pretrained(folder)
    pooling = {"word_embedding_dimension": model.dimension, "pooling_mode": _PUBLISHED[model.pooling]}
    (folder / "1_Pooling").mkdir(exist_ok=True)
    _write_json(folder / "1_Pooling" / "config.json", pooling)


def write_note(model: LanguageModel, folder: Path, way: str, facts: Mapping[str, Any]) -> None:
    """Write `compressed.json`: the way, its facts, and how the model reads."""
    known = model.module.get_input_embeddings().num_embeddings  # type: ignore[operator]
    _write_json(
        folder / NOTE,
        {
            "format": FORMAT,
            "way": way,
            "kind": model.kind,
            "pooling": model.pooling,
            "dimension": model.dimension,
            "max_tokens": model.max_tokens,
            "vocabulary": known,
            **facts,
        },
    )


def read_note(folder: Path) -> dict[str, Any]:
    """Return what `compressed.json` says.

    Raises:
        ModelError: it is missing, damaged, or of another version.
    """
    path = folder / NOTE
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"expected a compressed language model with its {NOTE} in {shown(str(folder), 200)}, found "
            f"{shown(str(error), 200)}; compress the model again"
        ) from error
    if not isinstance(note, dict) or note.get("format") != FORMAT:
        version = note.get("format") if isinstance(note, dict) else note
        raise ModelError(
            f"expected a compressed language model of format {FORMAT}, found {shown(version)} in "
            f"{shown(str(path), 200)}; compress the model again with this version"
        )
    return note


def state(module: nn.Module) -> dict[str, Tensor]:
    """Return the module's weights, none of which shares memory with another."""
    return {name: part.detach().cpu().clone().contiguous() for name, part in module.state_dict().items()}


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
