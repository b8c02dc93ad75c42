"""Finds the folder of a language model: bundled with a package, on disk, or in the Hugging Face cache.

Nothing goes over the network unless `[language] download = true`. Weights are safetensors only, and no
code that comes with a model is ever run. Free of torch.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from polyscene.core.errors import ModelError
from polyscene.core.progress import Progress, Silent
from polyscene.core.settings.language import CARRIED, LIGHT, MINILM, MULTILINGUAL, LanguageSettings
from polyscene.core.text import shown
from polyscene.language.model import light, multilingual
from polyscene.language.model.bundled import bundled_folder
from polyscene.language.model.digests import file_sha256

FILES = (
    "config.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "modules.json",
    "1_Pooling/config.json",
)
"""What makes a model: fetched from the hub, and part of the fingerprint."""

NOTE = "compressed.json"
"""What tells a folder that `polyscene compress` wrote, where transformers has no words for what was done."""

COMPRESSED = (NOTE, "compressed.safetensors", "model.onnx*", "model.xml", "model.bin")
"""What makes such a model beside `FILES`."""

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def locate(settings: LanguageSettings, base: Path | None = None, progress: Progress | None = None) -> Path:
    """Return the folder of the model that the settings name.

    Args:
        settings: `model` is one that a package carries, a folder, or an id on the Hugging Face hub.
        base: what a relative folder is relative to; default: the current folder.
        progress: told before anything is fetched.

    Raises:
        MissingExtraError: a package carries it that is not installed.
        ModelError: there is no such model, it may not be fetched, or it has no safetensors weights. What a
            compressed model needs is looked at when it is opened.
    """
    if settings.model == MINILM:
        return bundled_folder()
    if settings.model == MULTILINGUAL:
        return multilingual.multilingual_folder(progress)
    if settings.model == LIGHT:
        return light.light_folder()
    folder = (base or Path()) / os.path.expanduser(settings.model)  # Path's own raises for unknown users
    if not os.path.isdir(folder):  # Path's own raises for names that are too long
        folder = _hub_folder(settings, progress or Silent())
    if is_compressed(folder):
        return folder
    for what, names in (("weights", "model*.safetensors"), ("configuration", "config.json")):
        if not any(folder.glob(names)):
            raise ModelError(
                f"the language model {shown(settings.model)} has no {what}: expected {names} in "
                f"{shown(str(folder), 200)}, found none; only safetensors weights are read, never pickled "
                "ones. Convert them, or let a model be fetched whole with [language] download = true"
            )
    return folder


def is_compressed(folder: Path) -> bool:
    """Return whether the folder holds a model for `polyscene.language.compression.opening`."""
    return (folder / NOTE).is_file()


def fingerprint(folder: Path, files: Sequence[str] | None = None) -> str:
    """Return a SHA-256 in hex over the names and contents of the files that make the model in `folder`.

    Contents are read once per process and file.

    Args:
        files: names or patterns of what makes it; None: what makes a language model.
    """
    digest = hashlib.sha256()
    parts = files or ((*FILES, *COMPRESSED) if is_compressed(folder) else (*FILES, light.WEIGHTS))
    for path in sorted({path for names in parts for path in folder.glob(names) if path.is_file()}):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def _hub_folder(settings: LanguageSettings, progress: Progress) -> Path:
    from huggingface_hub import snapshot_download  # late: the bundled model does without it

    name = settings.model
    if _HUB_ID.fullmatch(name) is None:
        raise ModelError(
            f"expected a language model, found {shown(name, 200)}, which is neither a folder nor an id on "
            f"the Hugging Face hub; use one of {', '.join(CARRIED)}, a folder relative to the configuration "
            "file, or an id such as 'intfloat/multilingual-e5-small'"
        )
    if settings.download:
        progress.say(
            f"fetching the language model {name} from the Hugging Face hub, where it is not here yet"
        )
    try:
        folder = snapshot_download(name, allow_patterns=list(FILES), local_files_only=not settings.download)
    except (OSError, ValueError) as error:
        raise ModelError(_not_here(settings, error)) from error
    return Path(folder)


def _not_here(settings: LanguageSettings, error: Exception) -> str:
    name = shown(settings.model, 200)
    if settings.download:
        return (
            f"the language model {name} could not be fetched from the Hugging Face hub: "
            f"{shown(str(error), 300)}; check the id and the connection, or use the bundled model "
            f"{MINILM!r}"
        )
    return (
        f"the language model {name} is neither a folder nor in the local Hugging Face cache, and nothing is "
        "fetched unless you ask for it; to allow it, write in polyscene.toml:\n"
        "  [language]\n"
        "  download = true\n"
        f"or use the bundled model {MINILM!r}"
    )
