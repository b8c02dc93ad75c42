"""Ids in paths: whatever an id holds, it is one segment, so that no path can be read in two ways.

    /v1/items/shop/a%2Fsimilar            the item `a/similar`
    /v1/items/shop/a/similar              what is similar to the item `a`

Servers decode a path before it is looked at, and both would be the same then. Here each segment is decoded by
itself, and `/` and `%` within it stay encoded until the route is known.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from starlette.convertors import Convertor, register_url_convertor
from starlette.types import Scope


class IdConvertor(Convertor[str]):
    """Reads one segment of a path as an id: `{item:id}` in a route."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        """Return the id that a segment of `path_of` holds."""
        return value.replace("%2F", "/").replace("%25", "%")

    def to_string(self, value: str) -> str:
        """Return the segment that holds an id."""
        return value.replace("%", "%25").replace("/", "%2F")


ID = IdConvertor()
register_url_convertor("id", ID)


def path_of(scope: Scope) -> str:
    """Return the path of a request with every segment decoded, but for `/` and `%` in it."""
    raw, path = scope.get("raw_path"), str(scope["path"])
    if not raw or b"%" not in raw:
        return path
    segments = (unquote_to_bytes(segment).decode("utf-8", "replace") for segment in raw.split(b"/"))
    return "/".join(map(ID.to_string, segments))
