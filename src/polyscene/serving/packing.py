"""The limits of a slate as the log of decisions keeps them."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyscene.policies.limits import Cap, Limits, Quota
from polyscene.serving.stores.contract import CODES

Plain = dict[str, Any]


def plain_limits(limits: Limits) -> Plain:
    """Return limits as they are kept: a bit or a small number for each candidate, packed."""
    return {
        "pins": {str(place): row for place, row in limits.pins.items()},
        "caps": [{"most": cap.most, "groups": _packed(cap.groups.astype(CODES))} for cap in limits.caps],
        "quotas": [
            {"least": one.least, "members": _packed(np.packbits(one.members))} for one in limits.quotas
        ],
    }


def limits_of(plain: Mapping[str, Any] | None, candidates: int) -> Limits:
    """Return limits as they were.

    Args:
        plain: None: there were none.
        candidates: how many.
    """
    if plain is None:
        return Limits()
    return Limits(
        {int(place): row for place, row in plain["pins"].items()},
        tuple(Cap(_unpacked(cap["groups"], CODES).astype(np.int64), cap["most"]) for cap in plain["caps"]),
        tuple(
            Quota(np.unpackbits(_unpacked(one["members"], "u1"))[:candidates].astype(np.bool_), one["least"])
            for one in plain["quotas"]
        ),
    )


def _packed(array: NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(array.tobytes(), 1)).decode()


def _unpacked(text: str, dtype: str) -> NDArray[Any]:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype)
