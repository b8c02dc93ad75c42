"""How long work tells where it stands, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """Listens to long work."""

    def track(self, label: str, total: int, unit: str = "") -> AbstractContextManager[Advance]:
        """Open one bar of `total` units; the yielded function advances it by n units."""
        ...

    def say(self, text: str) -> None:
        """Tell one finished step in a line."""
        ...


class Silent:
    """A listener that shows nothing: the default of the library."""

    @contextmanager
    def track(self, label: str, total: int, unit: str = "") -> Iterator[Advance]:
        """Accept the steps and forget them."""
        yield lambda steps: None

    def say(self, text: str) -> None:
        """Forget the line."""
