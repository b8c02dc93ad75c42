"""The local folder of an image encoder: what makes one, and whether it is all there. Free of torch."""

from __future__ import annotations

import os
from pathlib import Path

from polyscene.core.errors import ModelError
from polyscene.core.text import shown

FILES = ("config.json", "model*.safetensors", "model.safetensors.index.json", "*processor_config.json")
"""What decides the vector of an image."""
NEEDED = ("config.json", "model*.safetensors", "preprocessor_config.json")


def encoder_folder(name: str, base: Path) -> Path:
    """Return the folder of an image encoder that has the files it needs.

    Raises:
        ModelError: it is not there, or lacks files.
    """
    folder = base / os.path.expanduser(name)
    if not os.path.isdir(folder):
        raise ModelError(
            f"expected a folder with an image encoder, found none at {shown(str(folder), 200)}; put one "
            "there (config.json, preprocessor_config.json and weights in safetensors): none is ever fetched"
        )
    for names in NEEDED:
        if not any(folder.glob(names)):
            raise ModelError(
                f"the image encoder {shown(name)} is not whole: expected {names} in "
                f"{shown(str(folder), 200)}, found none; only safetensors weights are read, no pickles"
            )
    return folder
