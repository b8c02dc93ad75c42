"""What can be known of a language model without loading it: for checks that must answer at once.

Free of torch and transformers. Of a model that a package carries everything is known once its weights have
the published checksum; any other model is known only by loading it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from polyscene.core.settings.language import CARRIED, LIGHT, LanguageSettings
from polyscene.core.threads import has_fast_bfloat16
from polyscene.language.model.bundled import WEIGHTS
from polyscene.language.model.digests import file_sha256
from polyscene.language.model.light import DIMENSION, LightTokenizer, light_tokenizer
from polyscene.language.model.light import WEIGHTS as LIGHT_WEIGHTS
from polyscene.language.model.sources import locate

KNOWN_METHODS = frozenset({"none", "top", "full", "lora", "adalora", "prefix", "adapter"})
"""Methods of tuning that are known to suit the carried models but the light one, which is never tuned."""
KNOWN_DEVICES = frozenset({"auto", "cpu"})


class PlainTokenizer:
    """A tokenizer read from its file by the library `tokenizers` alone; as much of it as a check needs.

    Args:
        file: `tokenizer.json`.
        unknown: what stands for what it does not know.
    """

    def __init__(self, file: Path, unknown: str) -> None:
        from tokenizers import Tokenizer

        self._tokenizer, self.unk_token = Tokenizer.from_file(str(file)), unknown
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def __call__(self, texts: Sequence[str], add_special_tokens: bool = True) -> dict[str, list[list[int]]]:
        """Return the token ids of each text under `input_ids`."""
        encoded = self._tokenizer.encode_batch(list(texts), add_special_tokens=add_special_tokens)
        return {"input_ids": [one.ids for one in encoded]}

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the tokens of ids."""
        return [str(self._tokenizer.id_to_token(one)) for one in ids]


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a language model that was not loaded.

    Attributes:
        dimension: of its vectors.
        precision: of its products on this processor.
        folder: where it lies.
        unknown: what its tokenizer has for what it does not know.
    """

    name: str
    kind: str
    dimension: int
    precision: str
    folder: Path
    unknown: str

    @property
    def sha256(self) -> str:
        """Return that of the weights, in hex."""
        return file_sha256(self.folder / (LIGHT_WEIGHTS if self.name == LIGHT else WEIGHTS))

    @cached_property
    def tokenizer(self) -> PlainTokenizer | LightTokenizer:
        """Return what reads texts as the loaded model's does; it takes a while to load."""
        if self.name == LIGHT:
            return light_tokenizer(self.folder)
        return PlainTokenizer(self.folder / "tokenizer.json", self.unknown)


def inspected(settings: LanguageSettings) -> ModelFacts | None:
    """Return what is known of the model that the settings name; None where it has to be loaded to know.

    Raises:
        MissingExtraError: a package carries it that is not installed.
        ModelError: a package carries it, and it is missing or not the published one.
    """
    known = settings.model in CARRIED and settings.tuning in KNOWN_METHODS
    if not known or settings.device not in KNOWN_DEVICES:
        return None
    folder = locate(settings)
    if settings.model == LIGHT:
        return ModelFacts(LIGHT, "encoder", DIMENSION, "float32", folder, LightTokenizer.unk_token)
    config, words = _json(folder / "config.json"), _json(folder / "tokenizer_config.json")
    fast = settings.precision == "bfloat16" or (settings.precision == "auto" and has_fast_bfloat16())
    return ModelFacts(
        settings.model,
        "encoder",
        int(config["hidden_size"]),
        "bfloat16" if fast else "float32",
        folder,
        str(words.get("unk_token", "[UNK]")),
    )


def _json(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return values
