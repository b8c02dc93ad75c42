"""Image files opened as pixels: files of the usual kinds, of bounded size, whole, and nothing else.

A file comes from anywhere, so what it claims of its size is looked at before anything is unpacked, and only
decoders of plain pixels are asked: none that starts another program, and none of vector graphics.
"""

from __future__ import annotations

import io
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from polyscene.core.errors import MissingExtraError
from polyscene.core.text import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 50_000_000
"""As many as the largest cameras give; unpacked they take 150 MB."""
MAX_RATIO = 100
"""A strip that is longer grows beyond all bounds where its short side is brought to a model's size."""
MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
"""Kinds of pixels that are colours of eight bits."""
WHITE = (255, 255, 255, 255)


class UnreadableImageError(ValueError):
    """A file that is no image that can be used; the text says why, in a few words."""


def demand_pillow() -> None:
    """Look whether Pillow is installed.

    Raises:
        MissingExtraError: it is not.
    """
    if find_spec("PIL") is None:
        raise MissingExtraError(
            "expected the package pillow, which opens image files, found none; install it: "
            "pip install 'polyscene[images]'"
        )


def file_bytes(path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        UnreadableImageError: it cannot be read, or is too large.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableImageError(f"files of more than {MAX_BYTES // 2**20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"files that cannot be read ({error.strerror})") from None


def picture_of(content: bytes) -> Image:
    """Return the pixels of an image file, the right way up, its first picture where it has several.

    Args:
        content: of the file.

    Returns:
        In RGB; what was transparent is white.

    Raises:
        UnreadableImageError: it is no image of a usual kind, is damaged, or would take too much memory.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # metadata that is odd; what is too large is refused below
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            _refuse_large(image)
            image.load()
            return _plain(image)
    except UnreadableImageError:
        raise
    except UnidentifiedImageError:
        raise UnreadableImageError(f"files that are no {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError:
        raise _too_large() from None
    except Exception as error:  # decoders raise anything over damaged files
        raise UnreadableImageError(f"damaged images ({one_line(error, 80)})") from error


def _refuse_large(image: Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_large()
    if max(image.size) > MAX_RATIO * min(image.size):
        raise UnreadableImageError(f"images more than {MAX_RATIO} times as long as wide")


def _too_large() -> UnreadableImageError:
    return UnreadableImageError(f"images of more than {MAX_PIXELS // 10**6} million pixels")


def _plain(image: Image) -> Image:
    from PIL import Image, ImageOps

    if image.mode not in MODES:
        raise UnreadableImageError(f"images with pixels of the kind {image.mode}")
    upright = ImageOps.exif_transpose(image)
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    layer = upright.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, WHITE), layer).convert("RGB")
