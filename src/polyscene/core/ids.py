"""Ids and sizes as callers give them: one rule for every argument that names a user or an item.

Tables hold ids as text, and read 5, 5.0 and "5" alike. So does every argument here; what no table could
hold is refused, since a slate for somebody else is worse than an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from uuid import UUID

from polyscene.core.errors import ArgumentError
from polyscene.core.text import shown


def id_text(value: object, what: str) -> str:
    """Return an id as tables hold it: text as it is, a whole number by its digits.

    Args:
        value: text, any integer, a whole float, or a UUID.
        what: what the id names, for the message: "user", "item".

    Raises:
        ArgumentError: it is nothing of the kind; True and None are no ids.
    """
    if isinstance(value, str):
        return str(value)
    if isinstance(value, UUID):
        return str(value)
    whole = _whole(value)
    if whole is None:
        raise ArgumentError(
            f"expected the id of one {what}, as text or a whole number, "
            f"found {shown(value)} ({type(value).__name__}){_advice(value, what)}"
        )
    return str(whole)


def id_texts(values: object, what: str, argument: str) -> tuple[str, ...]:
    """Return several ids as tables hold them.

    Args:
        values: anything that yields ids: a list, a set, an array, a column of a data frame.
        what: what an id names.
        argument: the argument's name, for the message.

    Raises:
        ArgumentError: it yields nothing, as None, or is text, of which each letter would be an id; or one of
            them is no id.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise ArgumentError(
            f"expected a list of ids of {what}s in '{argument}', found {shown(values)} "
            f"({type(values).__name__}); write [{shown(values)}] for one, [] for none"
        )
    return tuple(id_text(value, what) for value in values)


def size_of(k: object, argument: str = "k") -> int:
    """Return how many are wanted.

    Raises:
        ArgumentError: it is no whole number of at least 1.
    """
    whole = _whole(k)
    if whole is None or whole < 1:
        kind = "" if whole is not None else f" ({type(k).__name__})"
        raise ArgumentError(f"expected {argument} of at least 1, a whole number, found {shown(k)}{kind}")
    return whole


def optional_name(value: object, argument: str) -> str | None:
    """Return a name, or None where none is given.

    Raises:
        ArgumentError: it is something else.
    """
    if value is None or isinstance(value, str):
        return value
    raise ArgumentError(
        f"expected a name as text in '{argument}', or nothing, found {shown(value)} ({type(value).__name__})"
    )


def _whole(value: object) -> int | None:
    """Return a whole number, whatever library it comes from; None where it is none."""
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):  # numpy's as well
        return None
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real) and float(value).is_integer():
        return int(float(value))
    return None


def _advice(value: object, what: str) -> str:
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return f"; ask for one {what} at a time"
    return ""
