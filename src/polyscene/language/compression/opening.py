"""Reads what this folder writes and transformers cannot: fewer heads, zeros, eight bits, exported graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer

from polyscene.core.errors import ModelError
from polyscene.core.text import shown
from polyscene.language.compression import heads, int8, runtimes, sparsity
from polyscene.language.compression.folders import WEIGHTS, read_note
from polyscene.language.model.language_model import LanguageModel, chosen_autocast, chosen_device
from polyscene.language.model.packed_bert import packed
from polyscene.language.model.quiet import quiet
from polyscene.language.model.sources import NOTE, fingerprint

Note = dict[str, Any]


def open_compressed(
    folder: Path, precision: str = "auto", max_tokens: int | None = None, device: str = "cpu"
) -> LanguageModel:
    """Return the model that a way of compression has written into a folder.

    Args:
        folder: with `compressed.json`.
        precision: of products where the way leaves a choice: "auto", "float32" or "bfloat16".
        max_tokens: longer texts are cut; never more than the model allows, which is the default.
        device: as in `[language] device`. Eight bits and graphs run on the processor alone.

    Raises:
        ModelError: the folder is damaged or of another version, or the device is not there or cannot run it.
        MissingExtraError: what runs it is not installed.
    """
    note = read_note(folder)
    if note.get("way") not in _WAYS:
        raise ModelError(
            f"expected one of {', '.join(_WAYS)} as the way in {shown(str(folder / NOTE), 200)}, found "
            f"{shown(note.get('way'))}; compress the model again with this version"
        )
    place = _device(note["way"], device, folder)
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        exported = LanguageModel(
            name=folder.name,
            kind=note["kind"],
            pooling=note["pooling"],
            dimension=note["dimension"],
            max_tokens=min(note["max_tokens"], max_tokens or note["max_tokens"]),
            fingerprint=fingerprint(folder),
            device=place,
            autocast=chosen_autocast(precision, place),
            tokenizer=tokenizer,
            module=nn.Identity(),
        )
        return _WAYS[note["way"]](folder, note, exported)
    except (KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(
            f"the compressed language model in {shown(str(folder), 200)} cannot be loaded: "
            f"{shown(str(error), 300)}; compress the model again"
        ) from error


def _device(way: str, wanted: str, folder: Path) -> torch.device:
    """Return where a model of the way runs."""
    device = chosen_device(wanted)
    if device.type == "cpu" or way not in _ON_PROCESSORS:
        return device
    if wanted != "auto":
        raise ModelError(
            f"expected a processor for the language model in {shown(str(folder), 200)}, made by the way "
            f"{shown(way)}, found {shown(wanted)}; set [language] device = 'cpu'"
        )
    return torch.device("cpu")


def _skeleton(folder: Path, kind: str) -> nn.Module:
    """Return the architecture of the configuration, its weights still at random."""
    with quiet():
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        module: nn.Module = AutoModel.from_config(config, trust_remote_code=False)
    if kind == "decoder":
        config.use_cache = False
    return module.float().eval()


def _tensors(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / WEIGHTS)


def _heads(folder: Path, note: Note, model: LanguageModel) -> LanguageModel:
    module = _skeleton(folder, model.kind)
    heads.cut_to(module, note["heads"])
    module.load_state_dict(_tensors(folder))
    return replace(model, module=module.to(model.device))


def _sparse(folder: Path, note: Note, model: LanguageModel) -> LanguageModel:
    module = _skeleton(folder, model.kind)
    shapes = {name: part.shape for name, part in module.state_dict().items()}
    module.load_state_dict(sparsity.unpack_nonzero(_tensors(folder), shapes))
    return replace(model, module=module.to(model.device))


def _int8(folder: Path, note: Note, model: LanguageModel) -> LanguageModel:
    plain = replace(model, module=_skeleton(folder, model.kind), autocast=None)
    module = packed(plain).module if note["quick"] else plain.module
    int8.put_int8_layers(module)
    module.load_state_dict(_tensors(folder))
    return replace(plain, module=module)


def _onnx(folder: Path, note: Note, model: LanguageModel) -> LanguageModel:
    return replace(model, module=runtimes.OnnxModule(folder, note["vocabulary"]), autocast=None)


def _openvino(folder: Path, note: Note, model: LanguageModel) -> LanguageModel:
    graph = runtimes.OpenVinoModule(folder, note["vocabulary"], model.precision)
    return replace(model, module=graph)


_WAYS: dict[str, Callable[[Path, Note, LanguageModel], LanguageModel]] = {
    heads.WAY: _heads,
    sparsity.WAY: _sparse,
    int8.WAY: _int8,
    runtimes.ONNX: _onnx,
    runtimes.OPENVINO: _openvino,
}
_ON_PROCESSORS = frozenset({int8.WAY, runtimes.ONNX, runtimes.OPENVINO})
