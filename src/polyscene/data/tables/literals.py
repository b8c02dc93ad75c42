"""Python's own notation of plain values, "{'a': 'b'}" and "['a', 'b']", within limits: nothing is ever run.

Only strings, numbers, None, True, False and lists, tuples, sets and dictionaries of them are understood.
What could be long to read or deep to follow is refused before Python's parser sees it.
"""

from __future__ import annotations

import ast
import re
from typing import Any

MAX_CHARS = 2**20
MAX_DEPTH = 24
_TEXT = re.compile(
    r"""\b[uUbBrR]{0,2}(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")|(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")"""
)
_PLAIN = re.compile(
    r"(?:[\[\]{}(),:\s]|(?<![\w.+-])[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])|\b(?:True|False|None)\b|\0)*"
)


def literal(text: str) -> Any:  # noqa: ANN401 - whatever it says
    """Return the value that a text denotes.

    Raises:
        ValueError: it is no such text, too long or too deep.
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"longer than {MAX_CHARS:,} characters")
    bare = _TEXT.sub("\0", text)
    if "\0" in text or not _PLAIN.fullmatch(bare):
        raise ValueError("no plain values in Python's notation")
    depth = deepest = 0
    for sign in bare:
        depth += (sign in "[{(") - (sign in "]})")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    try:
        return _plain(ast.literal_eval(text.strip()))
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError((str(error).splitlines() or ["not understood"])[0]) from None


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever the literal held
    """Return a value as JSON could hold it."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, set | frozenset):
        return [_plain(part) for part in sorted(value, key=repr)]
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, float) and value - value != 0:  # infinite
        return None
    return value
