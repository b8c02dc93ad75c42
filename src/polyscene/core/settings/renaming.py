"""Names of earlier versions: they are taken for the present ones, and the user is told what to write now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_collected: ContextVar[list[str] | None] = ContextVar("_collected", default=None)


@contextmanager
def renames_noted() -> Iterator[list[str]]:
    """Yield the list in which every rename that is met inside is noted, once and in one sentence."""
    notes: list[str] = []
    token = _collected.set(notes)
    try:
        yield notes
    finally:
        _collected.reset(token)


def present_name(what: str, names: Mapping[str, str]) -> Callable[[str], str]:
    """Return the function from a name of any version to the present one; what it changes is noted.

    Args:
        what: kind of thing the names are of, for the note.
        names: present names by earlier ones.
    """

    def present(name: str) -> str:
        if name not in names:
            return name
        notes, now = _collected.get(), names[name]
        note = f"the {what} '{name}' is called '{now}' now: write '{now}' in the configuration"
        if notes is not None and note not in notes:
            notes.append(note)
        return now

    return present
