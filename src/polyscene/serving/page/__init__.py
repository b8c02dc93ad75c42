"""The first page for people: a shell, a style, modules as the browser takes them, and the library they use.

`vendor` holds the files of preact 11.2.0 and htm 3.1.1 as their authors published them, and their licences.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

FOLDER = "/page"
MEDIA_TYPES = {
    "css": "text/css",
    "js": "text/javascript",
    "mjs": "text/javascript",
    "svg": "image/svg+xml",
}
"""What a browser loads beside a page, by the end of its name."""


def _names(folder: Traversable, above: str = "") -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _names(entry, f"{above}{entry.name}/")
        elif entry.name.rpartition(".")[2] in MEDIA_TYPES:
            yield above + entry.name


PARTS = tuple(sorted(_names(files(__name__))))
"""Names of all that the page loads, within this folder."""
PATHS = tuple(f"{FOLDER}/{name}" for name in PARTS)
"""Where the service gives them out; the same for everybody, so no key is asked for."""


@cache
def text_of(name: str) -> str:
    """Return a file of this folder."""
    return files(__name__).joinpath(*name.split("/")).read_text(encoding="utf-8")


def media_type_of(name: str) -> str:
    """Return what a browser has to take a part for."""
    return MEDIA_TYPES[name.rpartition(".")[2]]
