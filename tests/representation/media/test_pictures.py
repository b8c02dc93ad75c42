"""Image files are opened with care: damaged, huge and strange ones are told apart, and none is guessed."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from polyscene.core.errors import MissingExtraError
from polyscene.representation.media import pictures
from polyscene.representation.media.pictures import (
    UnreadableImageError,
    demand_pillow,
    file_bytes,
    picture_of,
)

RED, BLUE = (255, 0, 0), (0, 0, 255)


def drawn(kind: str = "PNG", image: Image.Image | None = None, **options: object) -> bytes:
    out = io.BytesIO()
    (image or Image.new("RGB", (8, 4), RED)).save(out, kind, **options)
    return out.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def bomb(width: int, height: int) -> bytes:
    """Return a PNG that claims to be large, in a few bytes."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_usual_kinds_are_read(kind: str) -> None:
    picture = picture_of(drawn(kind))
    assert (picture.mode, picture.size) == ("RGB", (8, 4))
    assert np.abs(np.asarray(picture).astype(int) - RED).max() <= 5


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: b"", "are no JPEG"),
        (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "are no JPEG"),
        (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n", "are no JPEG"),
        (lambda: drawn("PNG")[:-30], "damaged"),
        (lambda: drawn("JPEG")[:-200], "damaged"),
        (lambda: bomb(10_000, 6_000), "more than 50 million pixels"),
        (lambda: bomb(10_000, 10_000), "more than 50 million pixels"),
        (lambda: bomb(100_000, 100_000), "more than 50 million pixels"),
        (lambda: drawn("PNG", Image.new("RGB", (1, 101))), "more than 100 times as long as wide"),
        (lambda: bomb(40_000_000, 1), "more than 100 times as long as wide"),
        (lambda: drawn("TIFF", Image.new("F", (4, 4), 0.5)), "pixels of the kind F"),
        (lambda: drawn("PNG", Image.new("I;16", (4, 4), 40_000)), "pixels of the kind I;16"),
    ],
)
def test_what_cannot_be_used_says_why(make: Callable[[], bytes], reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason):
        picture_of(make())


def test_a_photograph_is_turned_the_right_way_up() -> None:
    image = Image.new("RGB", (2, 1), RED)
    image.putpixel((1, 0), BLUE)
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter to the right
    picture = picture_of(drawn("PNG", image, exif=turned))
    assert picture.size == (1, 2)
    assert [picture.getpixel((0, row)) for row in (0, 1)] == [RED, BLUE]


def test_what_is_transparent_is_white() -> None:
    image = Image.new("RGBA", (2, 1), (*BLUE, 0))
    image.putpixel((1, 0), (*RED, 255))
    picture = picture_of(drawn("PNG", image))
    assert [picture.getpixel((column, 0)) for column in (0, 1)] == [(255, 255, 255), RED]
    assert picture_of(drawn("GIF", Image.new("P", (1, 1)), transparency=0)).getpixel((0, 0)) == (
        255,
        255,
        255,
    )


def test_of_several_pictures_the_first_counts() -> None:
    first, second = Image.new("RGB", (2, 2), RED), Image.new("RGB", (2, 2), BLUE)
    assert picture_of(drawn("GIF", first, save_all=True, append_images=[second])).getpixel((0, 0)) == RED


def test_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_BYTES", 10)
    (tmp_path / "ten").write_bytes(b"0123456789")
    (tmp_path / "eleven").write_bytes(b"0123456789x")
    assert file_bytes(tmp_path / "ten") == b"0123456789"
    with pytest.raises(UnreadableImageError, match="files of more than"):
        file_bytes(tmp_path / "eleven")
    with pytest.raises(UnreadableImageError, match="cannot be read"):
        file_bytes(tmp_path / "none")


def test_without_pillow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    demand_pillow()
    monkeypatch.setattr(pictures, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'polyscene\[images\]'"):
        demand_pillow()
