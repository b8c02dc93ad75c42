"""A text that the tokenizer does not know says nothing. Free of torch."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def is_mostly_unknown(row: Sequence[int], unknown: int | None, special: Collection[int]) -> bool:
    """Return whether at least half of a text's tokens are the one for what is not known.

    All unknown words are one and the same token, so that such texts would seem alike which share nothing.

    Args:
        row: token ids of a text.
        unknown: that token's id; None: the tokenizer knows everything.
        special: ids that stand for no word of the text; the unknown one may be among them.
    """
    if unknown is None or unknown not in row:
        return False
    lost = sum(token == unknown for token in row)
    words = sum(token == unknown or token not in special for token in row)
    return 2 * lost >= words
