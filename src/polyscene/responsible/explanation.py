"""Why an item stands in a slate, in one sentence that is true of the scores and of the two items it names.

The sentence follows from the signal that lifted the item most and, where one exists, from the past item that
adds most to that signal's score. It does not score anything; what a signal says is said beside the signal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from polyscene.core.text import shown_name

TITLE_LENGTH = 60
BOTH_HAVE = "; both have {trait}."
OTHERWISE = "It is among the best of what can be shown here."


class Sentences(NamedTuple):
    """A signal's reasons, as told to a person.

    Attributes:
        alone: where no single past item stands behind the recommendation.
        with_past: where one does; `{past}` is its title. None: never.
        with_trait: where the past item and the recommended one share something that can be named: `{trait}`.
            None: `with_past`, and then that both have it.
    """

    alone: str
    with_past: str | None = None
    with_trait: str | None = None


def strongest(shares: Mapping[str, float]) -> str | None:
    """Return the signal with the largest share; None where none adds anything."""
    if not shares or max(shares.values()) <= 0:
        return None
    return max(shares, key=lambda name: shares[name])


def reason(sentences: Sentences | None, past: str | None = None, trait: Sequence[str] = ()) -> str:
    """Return the sentence of the signal with the largest share.

    Args:
        sentences: of that signal; None where none adds anything.
        past: title of a past item that adds much in that signal, if any.
        trait: what it and the recommended item share, as it is to be shown.
    """
    if sentences is None:
        return OTHERWISE
    if past is None or sentences.with_past is None:
        return sentences.alone
    named = f"“{shortened(past)}”"
    if not trait:
        return sentences.with_past.format(past=named)
    words = sentences.with_trait or sentences.with_past.removesuffix(".") + BOTH_HAVE
    return words.format(past=named, trait=listed_traits(trait))


def listed_traits(traits: Sequence[str]) -> str:
    """Return traits as one phrase; an attribute that several values belong to is named once."""
    parts: list[str] = []
    before = ""
    for trait in traits:
        attribute, mark, value = trait.partition(" “")
        repeated = bool(mark) and attribute == before
        parts.append(f"“{value}" if repeated else trait)
        before = attribute if mark else ""
    return " and ".join(parts)


def had_before(times: int, last: str, besides: str | None = None) -> str:
    """Return the sentence of an item that the person has had, where it may be shown again.

    Args:
        times: how often.
        last: when they did last, in words: "on 2011-11-07".
        besides: another sentence that is true of it.
    """
    often = "" if times == 1 else " twice" if times == 2 else f" {times:,} times"
    more = "" if besides is None else f"; {besides[0].lower()}{besides[1:].removesuffix('.')}"
    return f"You chose it{often} before, {'last ' if times > 1 else ''}{last}{more}."


def fact_and_trait(fact: str, past: str, trait: Sequence[str]) -> str:
    """Return a sentence that is the same for everybody, and what the item shares with a past one.

    Args:
        fact: the sentence.
        past: title of the past item.
        trait: what both have, as it is to be shown.
    """
    return (
        f"{fact.removesuffix('.')}; like “{shortened(past)}”, which you chose, it has {listed_traits(trait)}."
    )


def why_closed(times: int, removed: bool = False) -> str:
    """Return why an item may not be shown to a person at all.

    Args:
        times: how often they have had it.
        removed: whether it was taken out, for everybody.
    """
    if removed:
        return "It was taken out of the catalogue."
    if not times:
        return "It is not there yet."
    often = "once" if times == 1 else "twice" if times == 2 else f"{times:,} times"
    return f"You have had it already, {often}: what you had is not shown again."


def alike_because(by_choices: bool, chosen: bool, trait: Sequence[str], part: str | None = None) -> str:
    """Return why an item is like another one.

    Args:
        by_choices: whether what people choose says so more than what the items are.
        chosen: whether anybody chose it beside the other one.
        trait: what both share, as it is to be shown.
        part: the attribute or the medium in which they are closest; None: their texts.
    """
    both = f"both have {listed_traits(trait)}" if trait else ""
    if by_choices:
        return f"It goes with this one in what people choose{'; ' + both if both else ''}."
    close = "its text is close" if part is None else f"by {shown_name(part)} it is close"
    text = both or close
    if chosen:
        return f"{text[0].upper()}{text[1:]}; it also goes with this one in what people choose."
    by_text = not both and part is None
    return "To a language model its text is close." if by_text else f"{text[0].upper()}{text[1:]}."


def shortened(title: str) -> str:
    """Return a title on one line of at most 60 visible characters: titles come from anywhere."""
    begin = title[: 20 * TITLE_LENGTH]
    visible = begin if begin.isprintable() else "".join(c if c.isprintable() else " " for c in begin)
    title = " ".join(visible.split())
    return title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1].rstrip() + "…"
