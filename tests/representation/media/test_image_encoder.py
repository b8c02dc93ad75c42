"""An encoder of images out of a local folder: whole, in safetensors, and the same vector at every call."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, ViTImageProcessorPil, ViTModel

from polyscene.core.errors import ModelError
from polyscene.core.settings.language import LanguageSettings
from polyscene.core.types import FloatArray
from polyscene.language.model.quiet import quiet
from polyscene.representation.media.image_encoder import ImageEncoder, load_image_encoder

LANGUAGE = LanguageSettings(precision="float32", device="cpu")
PICTURES = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue", "white")]


def load(folder: Path) -> ImageEncoder:
    return load_image_encoder(folder.name, folder.parent, LANGUAGE)


def encode(encoder: ImageEncoder) -> FloatArray:
    return encoder.encode([encoder.pixels(picture) for picture in PICTURES])


@pytest.fixture
def copy(small_vision: Path, tmp_path: Path) -> Path:
    return shutil.copytree(small_vision, tmp_path / "vision")


def weights_without(folder: Path, part: str) -> None:
    file = folder / "model.safetensors"
    kept = {name: one for name, one in load_file(file).items() if part not in name}
    save_file(kept, file, {"format": "pt"})


def test_vectors_are_the_model_s_own_summary(small_vision: Path) -> None:
    encoder = load(small_vision)
    vectors = encode(encoder)
    assert vectors.shape == (3, encoder.dimension) == (3, 16)
    assert vectors.dtype == np.float32
    with quiet():
        module = ViTModel.from_pretrained(small_vision).eval()
        pixels = ViTImageProcessorPil.from_pretrained(small_vision)(images=PICTURES, return_tensors="pt")
    with torch.inference_mode():
        expected = module(**pixels).pooler_output.numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3


def test_a_summary_that_was_never_trained_is_not_used(copy: Path) -> None:
    weights_without(copy, "pooler.")
    first, second = load(copy), load(copy)
    np.testing.assert_array_equal(encode(first), encode(second))
    with quiet():
        module = ViTModel.from_pretrained(copy, add_pooling_layer=False).eval()
        pixels = ViTImageProcessorPil.from_pretrained(copy)(images=PICTURES, return_tensors="pt")
    with torch.inference_mode():
        expected = module(**pixels).last_hidden_state[:, 0].numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(encode(first), expected, atol=1e-5)


def test_of_clip_images_stand_where_texts_do(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    vision, text = sizes | {"image_size": 16, "patch_size": 8}, sizes | {"vocab_size": 10}
    folder = tmp_path / "clip"
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=6))
    model.eval()
    processor = CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    with quiet():
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
    vectors = encode(load(folder))
    with torch.inference_mode():
        pixels = processor(images=PICTURES, return_tensors="pt")["pixel_values"]
        expected = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output).numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)


def test_a_vector_without_numbers_is_missing(copy: Path) -> None:
    file = copy / "model.safetensors"
    weights = load_file(file)
    save_file(
        {name: torch.full_like(one, torch.nan) if "pooler" in name else one for name, one in weights.items()},
        file,
        {"format": "pt"},
    )
    np.testing.assert_array_equal(encode(load(copy)), np.zeros((3, 16)))


def test_the_fingerprint_is_of_all_that_decides_a_vector(copy: Path) -> None:
    before = load(copy).fingerprint
    settings = copy / "preprocessor_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"image_mean": [0.4, 0.5, 0.5]}))
    assert load(copy).fingerprint != before


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "preprocessor_config.json"])
def test_a_file_that_is_missing_is_named(copy: Path, file: str) -> None:
    (copy / file).rename(copy / f"{file}.bin")
    with pytest.raises(ModelError, match=file.split(".")[0].removesuffix("model") or "safetensors"):
        load(copy)


def test_pickled_weights_are_not_read(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(b"a pickle")
    with pytest.raises(ModelError, match="only safetensors weights are read, no pickles"):
        load(copy)


def test_code_of_a_model_is_not_run(copy: Path, tmp_path: Path) -> None:
    (copy / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nclass Own: pass\n")
    config = json.loads((copy / "config.json").read_text())
    strange = {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Own"}}
    (copy / "config.json").write_text(json.dumps(config | strange))
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(copy)
    assert not (tmp_path / "ran").exists()


def test_weights_that_are_not_complete_are_refused(copy: Path) -> None:
    weights_without(copy, "embeddings.")
    with pytest.raises(ModelError, match="not complete"):
        load(copy)


def test_damaged_weights_are_refused(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(copy)


def test_a_model_of_texts_is_refused(small_encoder: Path, copy: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        shutil.copy(small_encoder / name, copy)
    with pytest.raises(ModelError, match="does not read images"):
        load(copy)


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (3, 5), (1, 90), (90, 1)])
def test_small_and_narrow_images_keep_their_colours(small_vision: Path, size: tuple[int, int]) -> None:
    pixels = load(small_vision).pixels(Image.new("RGB", size, "red"))
    assert pixels.shape == (3, 16, 16)
    np.testing.assert_allclose(pixels.mean(axis=(1, 2)), [1.0, -1.0, -1.0], atol=1e-5)


def test_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="none is ever fetched"):
        load(tmp_path / "openai" / "clip")
