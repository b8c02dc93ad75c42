"""The ids of generated people and things."""

from __future__ import annotations

USERS_PER_ITEM = 2


def numbered_id(letter: str, code: int, count: int) -> str:
    """Return the id of one of so many, all of the same length."""
    return f"{letter}{code:0{len(str(count))}}"


def user_id(code: int, items: int) -> str:
    """Return the id of a user of a system of so many items."""
    return numbered_id("u", code, USERS_PER_ITEM * items)
