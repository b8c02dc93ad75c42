"""What a column's or a file's name hints at. A name is evidence, never proof: values decide with it."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Literal

Hint = Literal[
    "user", "item", "session", "id", "title", "text", "time", "available", "sequence", "value", "action",
    "flag", "split", "scenario", "items_file", "events_file", "users_file", "links", "attribute", "person",
]  # fmt: skip

_WORDS: dict[Hint, str] = {
    "user": "user customer client member account reviewer visitor person subscriber buyer shopper patient "
    "student viewer listener guest device cookie uid consumer profile player cust usr learner household "
    "kunde kunden nutzer benutzer mitglied besucher cliente usuario utilisateur",
    "item": "item product sku article movie film song track artist book news video post question asin isbn "
    "stock goods content document doc ad creative course game app recipe listing hotel job offer podcast "
    "show episode merchandise business poi venue restaurant story photo image banner headline album paper "
    "title clip property prod material artikel produkt ware buch producto articulo produit livre",
    "session": "session visit invoice order basket cart transaction trip impression request slate receipt",
    "id": "id code no nr number key uid uuid guid ref ids sku asin isbn identifier mbid nummer kennung "
    "numero",
    "title": "title name headline heading label subject keywords titel bezeichnung título titre nombre",
    "text": "text desc description abstract summary body content caption subtitle lede lead excerpt overview "
    "plot synopsis details snippet tagline keywords blurb biography bio teaser tags",
    "time": "time timestamp date datetime ts at when created day moment clock occurred epoch utc "
    "datum zeit uhrzeit zeitpunkt zeitstempel fecha hora heure jour",
    "available": "published release released added available created launched since publication premiere "
    "date time at",
    "sequence": "order seq sequence step index idx nth turn ordinal position rank",
    "value": "rating score stars star value count plays listens quantity qty amount dwell duration seconds "
    "overall playcount grade weight times minutes watched units menge anzahl bewertung "
    "sterne cantidad quantité",
    "action": "action event type kind behaviour behavior activity interaction verb",
    "flag": "click clicked label purchased liked like bought converted clicks target response watched viewed "
    "is conversion purchase",
    "split": "split fold subset part set partition usage",
    "scenario": "scenario domain site channel surface vertical market marketplace shop app platform scene "
    "portal placement business tenant",
    "items_file": "item product movie film article news catalogue catalog meta metadata book song track "
    "artist video good sku content document post question game offer listing",
    "events_file": "event rating interaction click log behaviour behavior history invoice transaction order "
    "sequence impression review action view purchase play listen inter activity watch stream",
    "users_file": "kunde kunden nutzer user customer member people profile client account demographic",
    "links": "friend follow follower followee head tail relation source target neighbour parent trust "
    "trustee entity knowledge",
    "attribute": "price cost brand category genre colour color size weight length pages language author "
    "publisher "
    "preis kategorie marke farbe autor",
    "person": "country age gender sex city zip postcode occupation region state locale language segment",
}
_VOCABULARY: dict[Hint, frozenset[str]] = {hint: frozenset(words.split()) for hint, words in _WORDS.items()}
GIVEN_NAME = re.compile(r"column_\d+")
"""Of a column in a file without a header: it says nothing."""
_KNOWN = frozenset().union(*_VOCABULARY.values())
_PIECES = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[^\W\d_]+|\d+")


_TYPED = re.compile(r":(token|float)(_seq)?$")
_MIN_RUN_TOGETHER = 3
"""Letters that each of two known words run together has to have; an id may have two."""


@lru_cache(maxsize=4096)
def tokens(name: str) -> tuple[str, ...]:
    """Split `CustomerID`, `customer_id`, `customer id` or `customerid` into lower-case words.

    Plurals are made singular; a type behind the name (`user_id:token`) is no part of it.
    """
    pieces = _PIECES.findall(_TYPED.sub("", name))
    return tuple(_singular(word) for piece in pieces for word in _parted(piece.lower()))


def _parted(word: str) -> tuple[str, ...]:
    """Return the two known words of which `word` is made; itself where it is known or made of others."""
    if word in _KNOWN or _singular(word) in _KNOWN:
        return (word,)
    for place in range(len(word) - 2, _MIN_RUN_TOGETHER - 1, -1):
        left, right = word[:place], word[place:]
        long = len(right) >= _MIN_RUN_TOGETHER or right in _VOCABULARY["id"]
        if long and left in _KNOWN and (right in _KNOWN or _singular(right) in _KNOWN):
            return (left, right)
    return (word,)


def _singular(word: str) -> str:
    if word in ("news", "series", "ids", "details", "times") or len(word) < 4 or word.endswith(("ss", "us")):
        return word
    if word.endswith("ies") and word != "movies":
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") else word


@lru_cache(maxsize=4096)
def hint(name: str, kind: Hint) -> float:
    """Return in [0, 1] how strongly `name` speaks for `kind`: 1 where all of its words do."""
    words = tokens(name)
    if not words:
        return 0.0
    known = {_singular(word) for word in _VOCABULARY[kind]} | _VOCABULARY[kind]
    plain = [word for word in words if word in known or word not in _VOCABULARY["id"]] or list(words)
    hits = sum(word in known for word in plain)
    if not hits:
        return 0.0
    return 0.6 + 0.4 * hits / len(plain)


def has_id_word(name: str) -> bool:
    """Return whether the name ends like an id: `sku`, `user_id`, `StockCode`, `invoice_no`."""
    words = tokens(name)
    return bool(words) and words[-1] in _VOCABULARY["id"]


def likeness(left: str, right: str, context: Collection[str] = ()) -> float:
    """Return in [0, 1] how alike two column names are; `context` are words of `right`'s file."""
    if GIVEN_NAME.fullmatch(left) or GIVEN_NAME.fullmatch(right):
        return 0.0
    mine, theirs = set(tokens(left)), set(tokens(right))
    if mine == theirs:
        return 1.0
    mine_plain, theirs_plain = mine - _VOCABULARY["id"], theirs - _VOCABULARY["id"]
    if not theirs_plain:
        theirs_plain = set(context)
    if not mine_plain or not theirs_plain:
        return 0.0
    return 0.9 * len(mine_plain & theirs_plain) / len(mine_plain)


def slug(text: str, default: str = "main") -> str:
    """Return `text` as a name of lower-case letters, digits and underscores, at most 40 characters."""
    return re.sub(r"\W+", "_", text.strip().lower()).strip("_")[:40] or default
