"""Images are read once: what was read is found by content and encoder, and what failed is told by reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from polyscene.core.progress import Silent
from polyscene.core.settings.language import LanguageSettings
from polyscene.core.types import FloatArray
from polyscene.language.text.cache import EncodingCache
from polyscene.representation.media import image_vectors
from polyscene.representation.media.image_encoder import ImageEncoder, load_image_encoder
from polyscene.representation.media.image_vectors import ImageVectors, encode_files
from polyscene.representation.media.pictures import picture_of

COLOURS = ("red", "blue", "white", "green", "black")


@pytest.fixture(scope="module")
def encoder(small_vision: Path) -> ImageEncoder:
    language = LanguageSettings(precision="float32", device="cpu")
    return load_image_encoder(small_vision.name, small_vision.parent, language)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for colour in COLOURS:
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{colour}.png")
    return tmp_path


def names(*colours: str) -> list[str]:
    return [f"{colour}.png" for colour in colours or COLOURS]


def read(encoder: ImageEncoder, folder: Path, files: list[str]) -> ImageVectors:
    return encode_files(encoder, folder, files, EncodingCache(folder / "cache"), Silent())


def alone(encoder: ImageEncoder, folder: Path, file: str) -> FloatArray:
    vector: FloatArray = encoder.encode([encoder.pixels(picture_of((folder / file).read_bytes()))])[0]
    return vector


def test_every_file_gets_its_own_vector_across_blocks(
    encoder: ImageEncoder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_vectors, "BLOCK", 3)
    monkeypatch.setattr(image_vectors, "BATCH", 2)
    images = read(encoder, folder, names())
    assert (images.read, images.known, images.failures) == (5, 0, {})
    for row, file in enumerate(names()):
        np.testing.assert_allclose(images.vectors[row], alone(encoder, folder, file), atol=1e-5)


def test_what_is_known_is_not_read_again(
    encoder: ImageEncoder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read(encoder, folder, names("red", "blue"))
    (folder / "blue.png").rename(folder / "renamed.png")
    second = read(encoder, folder, ["renamed.png", "red.png", "green.png"])
    assert (second.known, second.read) == (2, 1)
    np.testing.assert_array_equal(second.vectors[:2], first.vectors[::-1])
    monkeypatch.setattr(image_vectors, "picture_of", lambda content: pytest.fail("opened again"))
    assert read(encoder, folder, ["renamed.png", "green.png"]).known == 2


def test_another_content_or_encoder_is_read_anew(encoder: ImageEncoder, folder: Path) -> None:
    before = read(encoder, folder, names("red")).vectors
    assert read(replace(encoder, fingerprint="f" * 64), folder, names("red")).known == 0
    Image.new("RGB", (8, 8), "green").save(folder / "red.png")
    after = read(encoder, folder, names("red"))
    assert after.known == 0
    assert np.abs(after.vectors - before).max() > 1e-3


def test_equal_contents_are_read_once(
    encoder: ImageEncoder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "again.png").write_bytes((folder / "red.png").read_bytes())
    opened: list[bytes] = []

    def counted(content: bytes) -> Image.Image:
        opened.append(content)
        return picture_of(content)

    monkeypatch.setattr(image_vectors, "picture_of", counted)
    images = read(encoder, folder, ["red.png", "again.png"])
    assert len(opened) == 1
    assert images.read == 2
    np.testing.assert_array_equal(images.vectors[0], images.vectors[1])


def test_failures_are_told_by_reason_and_stay_missing(encoder: ImageEncoder, folder: Path) -> None:
    whole = (folder / "white.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[:-30])
    (folder / "same.png").write_bytes(whole[:-30])
    (folder / "note.png").write_text("no pixels")
    images = read(encoder, folder, ["cut.png", "red.png", "note.png", "gone.png", "same.png"])
    assert images.vectors.any(axis=1).tolist() == [False, True, False, False, False]
    assert sorted(images.failures.values()) == [["cut.png", "same.png"], ["gone.png"], ["note.png"]]
    assert read(encoder, folder, ["cut.png"]).vectors.any() == np.False_


def test_a_cache_that_cannot_be_used_is_done_without(encoder: ImageEncoder, folder: Path) -> None:
    (folder / "cache").write_text("no folder")
    images = read(encoder, folder, names("red"))
    np.testing.assert_allclose(images.vectors[0], alone(encoder, folder, "red.png"), atol=1e-5)
