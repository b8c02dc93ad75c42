"""Why an item stands in a slate, in one sentence that is true of the scores.

The sentence follows from the signal that lifted the item most and, where one exists, from the past item that
adds most to that signal's score. It does not score anything; what a signal says is said beside the signal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

TITLE_LENGTH = 60
OTHERWISE = "It is among the best of what can be shown here."


class Sentences(NamedTuple):
    """A signal's reasons, as told to a person.

    Attributes:
        alone: where no single past item stands behind the recommendation.
        with_past: where one does; `{past}` is its title. None: never.
    """

    alone: str
    with_past: str | None = None


def strongest(shares: Mapping[str, float]) -> str | None:
    """Return the signal with the largest share; None where none adds anything."""
    if not shares or max(shares.values()) <= 0:
        return None
    return max(shares, key=lambda name: shares[name])


def reason(sentences: Sentences | None, past: str | None) -> str:
    """Return the sentence of the signal with the largest share.

    Args:
        sentences: of that signal; None where none adds anything.
        past: title of the past item that adds most in that signal, if any.
    """
    if sentences is None:
        return OTHERWISE
    if past is not None and sentences.with_past is not None:
        return sentences.with_past.format(past=f"“{shortened(past)}”")
    return sentences.alone


def shortened(title: str) -> str:
    """Return a title on one line of at most 60 visible characters: titles come from anywhere."""
    visible = "".join(c if c.isprintable() else " " for c in title[: 20 * TITLE_LENGTH])
    title = " ".join(visible.split())
    return title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1].rstrip() + "…"
