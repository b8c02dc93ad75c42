"""Why an item stands in a slate, in one sentence that is true of the scores.

The sentence follows from the signal that lifted the item most and, where one exists, from the past item that
spoke loudest for it. It does not score anything.
"""

from __future__ import annotations

from collections.abc import Mapping

from polyscene.core.text import one_line

TITLE_COLUMNS = 60

_WITH_PAST: Mapping[str, str] = {
    "transitions": "People who chose {past} often went on to this.",
    "content_transitions": "What resembles {past} often led people to items like this.",
    "linear": "{past} foretells this among people with a similar history.",
    "factors": "People whose taste is like yours, as in {past}, chose this.",
    "neighbours": "Often chosen by the same people as {past}.",
    "content": "It reads much like {past}, which you chose.",
    "content_prior": "It means much the same as {past}, which you chose.",
}
_ALONE: Mapping[str, str] = {
    "popularity": "Many people chose it lately.",
    "recency": "It is new.",
    "cross_scenario": "It is close to what you did in other places.",
    "transitions": "It often follows what you chose.",
    "content_transitions": "It resembles what often follows your choices.",
    "linear": "Your history foretells it.",
    "factors": "People whose taste is like yours chose it.",
    "neighbours": "The people who chose what you chose also chose this.",
    "content": "It reads much like what you chose.",
    "content_prior": "It means much the same as what you chose.",
    "text_ranker": "Its words speak for it, after what you chose.",
}


def reason(shares: Mapping[str, float], past: str | None) -> str:
    """Return the sentence for the signal with the largest share.

    Args:
        shares: by signal, what its word for this item added to the score.
        past: title of the past item that speaks loudest for it in that signal, if any.
    """
    if not shares or max(shares.values()) <= 0:
        return "It is among the best of what can be shown here."
    strongest = max(shares, key=lambda name: shares[name])
    if past is not None and strongest in _WITH_PAST:
        return _WITH_PAST[strongest].format(past=f"“{one_line(past, TITLE_COLUMNS)}”")
    return _ALONE.get(strongest, "It is among the best of what can be shown here.")
