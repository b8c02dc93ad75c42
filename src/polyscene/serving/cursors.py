"""Cursors: where a chain of pages goes on. They name the page before, whose decision is looked up.

A cursor is the decision's id and four bytes that tell damage, 28 characters whatever the chain is. What
earlier pages showed is read from the decision, so nothing that comes meanwhile can bring an item back.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from polyscene.core.errors import DataError, Problem, UnknownIdError
from polyscene.core.text import shown
from polyscene.serving.decisions import DecisionLog
from polyscene.serving.stores.contract import DecisionRecord

VERSION = b"\x01"
MAX_SHOWN = 1_000
"""A chain ends when its pages have shown so many items."""
LENGTH = 28


class Chain(NamedTuple):
    """What came before a page.

    Attributes:
        page: its number, from 1.
        earlier: ids of items that earlier pages showed.
    """

    page: int = 1
    earlier: Sequence[str] = ()


def cursor_after(decision: str, chain: Chain, slate: Sequence[str], size: int) -> str | None:
    """Return the cursor of the page after a slate; None where nothing more can come.

    Args:
        decision: its id.
        chain: before it.
        slate: item ids.
        size: how many were asked for.
    """
    if len(slate) < size or len(chain.earlier) + len(slate) >= MAX_SHOWN:
        return None
    payload = VERSION + bytes.fromhex(decision)
    checked = payload + zlib.crc32(payload).to_bytes(4, "big")
    return base64.urlsafe_b64encode(checked).decode()


def chain_of(cursor: str, decisions: DecisionLog, user: str, scenario: str) -> Chain:
    """Return what came before the page that a cursor asks for.

    Args:
        cursor: as it was given.
        decisions: where the page before is kept.
        user: who asks now.
        scenario: for which.

    Raises:
        DataError: it is damaged, or of somebody else's chain, or of another scenario.
        UnknownIdError: the page before is not kept (any more).
        StoreError: the decisions cannot be read.
    """
    record = decisions.find(_decision(cursor))
    if record is None:
        raise UnknownIdError(
            "expected the cursor of a slate that is kept, found that of another; begin anew without"
        )
    if record.user != user or record.scenario != scenario:
        raise DataError(
            Problem(
                "the cursor belongs to another request",
                f"one of a slate for {shown(user)} in scenario {shown(scenario)}",
                "one of another user or scenario",
                "send it with the user and scenario that it came with, or begin anew without",
            )
        )
    return Chain(_page(record) + 1, [*record.details.get("earlier", ()), *record.details["slate"]])


def _page(record: DecisionRecord) -> int:
    return int(record.details.get("page", 1))


def _decision(cursor: str) -> str:
    try:
        checked = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        checked = b""
    payload, check = checked[:-4], checked[-4:]
    if (
        len(checked) != 21
        or not payload.startswith(VERSION)
        or zlib.crc32(payload).to_bytes(4, "big") != check
    ):
        raise DataError(
            Problem(
                "the cursor is damaged",
                "a cursor as an answer gave it, letter for letter",
                shown(cursor),
                "send it unchanged, or begin anew without",
            )
        )
    return payload[1:].hex()
