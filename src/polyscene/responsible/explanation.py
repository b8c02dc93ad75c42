"""Why an item stands in a slate, in one sentence that is true of the scores.

The sentence follows from the signal that raised the score most and, where one exists, from the past item
with the largest support in that signal. Nothing is scored here.
"""

from __future__ import annotations

from collections.abc import Mapping

TITLE_LENGTH = 60

_WITH_PAST: Mapping[str, str] = {
    "transitions": "People who chose {past} often went on to this.",
    "content_transitions": "What resembles {past} often led people to items like this.",
    "linear": "People with a history like yours who chose {past} often chose this.",
    "factors": "People whose taste is like yours, as in {past}, chose this.",
    "neighbours": "Often chosen by the same people as {past}.",
    "content": "It reads much like {past}, which you chose.",
    "content_prior": "It means much the same as {past}, which you chose.",
}
_ALONE: Mapping[str, str] = {
    "popularity": "Many people chose it lately.",
    "recency": "It is new.",
    "elsewhere": "It is close to what you did in other places.",
    "transitions": "It often follows what you chose.",
    "content_transitions": "It resembles what often follows your choices.",
    "linear": "People with a history like yours often chose it.",
    "factors": "People whose taste is like yours chose it.",
    "neighbours": "The people who chose what you chose also chose this.",
    "content": "It reads much like what you chose.",
    "content_prior": "It means much the same as what you chose.",
    "text_ranker": "Its text suits what you chose.",
}


def reason(shares: Mapping[str, float], past: str | None) -> str:
    """Return the sentence for the signal with the largest share.

    Args:
        shares: by signal, what it added to this item's score.
        past: title of the past item with the largest support in that signal, if any.
    """
    if not shares or max(shares.values()) <= 0:
        return "It is among the best of what can be shown here."
    strongest = max(shares, key=lambda name: shares[name])
    if past is not None and strongest in _WITH_PAST:
        return _WITH_PAST[strongest].format(past=f"“{shortened(past)}”")
    return _ALONE.get(strongest, "It is among the best of what can be shown here.")


def shortened(title: str) -> str:
    """Return a title on one line of at most 60 visible characters: titles come from anywhere."""
    visible = "".join(c if c.isprintable() else " " for c in title[: 20 * TITLE_LENGTH])
    title = " ".join(visible.split())
    return title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1].rstrip() + "…"
