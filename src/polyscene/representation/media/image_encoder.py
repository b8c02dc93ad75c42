"""A vision model out of a local folder that makes vectors of images: CLIP, SigLIP, ViT, DINOv2 and their kin.

Only safetensors are read, no code that comes with a model is run, and nothing goes over the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoImageProcessor

from polyscene.core.errors import ModelError
from polyscene.core.settings.language import LanguageSettings
from polyscene.core.text import shown
from polyscene.core.types import FloatArray
from polyscene.data.reading.vectors import directions
from polyscene.language.model.language_model import chosen_autocast, chosen_device
from polyscene.language.model.loading import weights_in
from polyscene.language.model.quiet import quiet
from polyscene.language.model.sources import fingerprint
from polyscene.representation.media.encoder_folder import FILES, encoder_folder

if TYPE_CHECKING:
    from PIL.Image import Image

POOLER = "pooler."
GREY = (128, 128, 128)


@dataclass(frozen=True)
class ImageEncoder:
    """A loaded vision model.

    Attributes:
        name: as the settings call it.
        fingerprint: SHA-256 in hex of the files that decide its vectors.
        dimension: how many numbers a vector has.
        autocast: what its products are computed in; None: float32.
        processor: makes pixels of the size and the scale that the model knows.
        pooled: whether the model's own summary of an image was trained.
    """

    name: str
    fingerprint: str
    dimension: int
    device: torch.device
    autocast: torch.dtype | None
    processor: Any
    module: nn.Module
    pooled: bool

    @property
    def precision(self) -> str:
        """What its products are computed in."""
        return "float32" if self.autocast is None else "bfloat16"

    def pixels(self, image: Image) -> FloatArray:
        """Return (3, height, width) pixels of an RGB image as the model knows them, of one size for all."""
        batch = self.processor(images=[image], input_data_format="channels_last", return_tensors="np")
        pixels: FloatArray = np.asarray(batch["pixel_values"][0], np.float32)
        return pixels

    def encode(self, pixels: Sequence[FloatArray]) -> FloatArray:
        """Return (n, dimension) vectors of length 1; 0 where the model gave no number.

        Args:
            pixels: n of `pixels`.
        """
        vectors = self._summaries(pixels).float().cpu().numpy().astype(np.float64)
        vectors[~np.isfinite(vectors).all(axis=1)] = 0.0
        return directions(vectors)

    def _summaries(self, pixels: Sequence[FloatArray]) -> Tensor:
        batch = torch.from_numpy(np.stack(pixels)).to(self.device)  # (n, 3, height, width)
        enabled = self.autocast is not None
        with torch.inference_mode(), torch.autocast(self.device.type, self.autocast, enabled):
            return summary(self.module, batch, self.pooled)  # (n, d)


def summary(module: Any, pixels: Tensor, pooled: bool) -> Tensor:  # noqa: ANN401 - every architecture has its own class
    """Return (n, d) vectors of images: beside texts where a model has both, else its pooler or first token.

    Args:
        pixels: (n, 3, height, width).
        pooled: whether the pooler was trained; what was drawn at random says nothing.
    """
    beside_texts = hasattr(module, "get_image_features")
    answer = module.get_image_features(pixels) if beside_texts else module(pixel_values=pixels)
    if isinstance(answer, Tensor):  # as earlier versions of transformers answer
        return answer
    own: Tensor | None = answer.get("pooler_output")
    if own is not None and (pooled or beside_texts):
        return own.flatten(1)  # of convolutions (n, d, 1, 1)
    hidden: Tensor = answer["last_hidden_state"]
    return hidden[:, 0] if hidden.dim() == 3 else hidden.flatten(2).mean(-1)


def load_image_encoder(name: str, base: Path, language: LanguageSettings) -> ImageEncoder:
    """Load the vision model in a folder.

    Args:
        name: the folder, as the settings name it.
        base: what a relative folder is relative to.
        language: says where and in what precision to compute.

    Raises:
        ModelError: there is no such folder, a file of it is missing or broken, or it is no vision model.
    """
    folder = encoder_folder(name, base)
    device = chosen_device(language.device)
    processor, module, missing = _read(folder, name)
    incomplete = sorted(key for key in missing if POOLER not in key)
    if incomplete:
        raise ModelError(
            f"the weights of the image encoder {shown(name)} are not complete: {len(incomplete)} missing, "
            f"e.g. {shown(incomplete[0])}; fetch or save the model again"
        )
    encoder = ImageEncoder(
        name,
        fingerprint(folder, FILES),
        0,
        device,
        chosen_autocast(language.precision, device),
        processor,
        module.float().to(device).eval(),
        pooled=not missing,
    )
    return _measured(encoder)


def _read(folder: Path, name: str) -> tuple[Any, nn.Module, list[str]]:
    try:
        with quiet():
            processor = AutoImageProcessor.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                backend="pil",  # the same pixels whatever else is installed
            )
            module, info = weights_in(folder)
    except Exception as error:  # loaders raise anything
        raise ModelError(
            f"the image encoder {shown(name)} cannot be loaded from {shown(str(folder), 200)}: "
            f"{shown(str(error), 300)}; expected a vision model that transformers knows, its files whole"
        ) from error
    return processor, module, list(info["missing_keys"])


def _measured(encoder: ImageEncoder) -> ImageEncoder:
    """Return the encoder with the size of its vectors, told by grey images of two shapes."""
    from PIL import Image

    try:
        images = [Image.new("RGB", size, GREY) for size in ((32, 32), (64, 32))]
        vectors = encoder._summaries([encoder.pixels(image) for image in images])
    except Exception as error:  # a model of texts raises anything over pixels
        raise ModelError(
            f"expected a vision model as image encoder, found {shown(encoder.name)}, which does not read "
            f"images of any shape: {shown(str(error), 200)}; use CLIP, SigLIP, ViT, DINOv2 or the like"
        ) from error
    return replace(encoder, dimension=vectors.shape[1])
