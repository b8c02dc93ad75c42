"""`[fusion]`: the learned combination of signals."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from polyscene.core.settings.block import Strict


class FusionSettings(Strict):
    """The learned combination of signals."""

    hidden: int = Field(32, ge=1)
    epochs: int = Field(12, ge=1)
    max_choices: int = Field(12_000, ge=10, description="choices learned from, the latest")
    live: bool | None = Field(
        None,
        description="whether signals learn each choice before the fusion learns from the next, as they do in "
        "a service; default: as the protocol judges",
    )
    trends: tuple[float, ...] = Field(
        (0.25, 1.0, 4.0, 16.0),
        description="days; where signals live, the fusion is told how much an item was chosen lately at each "
        "of these half-lives, when it was chosen last and how many are newer; none: it is not told",
    )
    online: bool = Field(
        False,
        description="whether the fusion's weights move with the events that come, as far as the choices "
        "that they foretold speak for it",
    )
    online_every: int = Field(
        50, ge=1, description="each so-manyth choice teaches moving weights; one costs as much as a slate"
    )
    earlier_cuts: int = Field(
        4,
        ge=0,
        description="where the split's own choices are fewer than half of `enough_choices`, those before "
        "them are learned from too, at up to so many earlier cuts, each ranked by signals that know only "
        "what came before it; 0: never",
    )
    enough_choices: int = Field(
        2_000, ge=10, description="own and earlier choices together are no more than so many"
    )
    new_items: Literal["fair", "cautious"] = Field(
        "fair",
        description="fair: items without events are lifted until they fare nearly as well as by the best "
        "signal, at little cost for the rest, which fades with their events; cautious: they stand where the "
        "fusion's network puts them",
    )
    hidden_items: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of the items that the signals do not know while the fusion learns; "
        "default: 0 where the split is a moment of time, else 0.1",
    )
    strangers: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="where hardly any choice is made by somebody without a history, this share of them is "
        "learned a second time as if nothing was known of who made it; 0: none",
    )
    newcomers: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="where hardly any choice is made by somebody with 1 to 3 events, this share of them is "
        "learned a second time as if only their latest 1 to 3 were known; 0: none",
    )
    max_catalogue: int = Field(
        2_000, ge=10, description="above it, the softmax runs over importance-weighted candidates"
    )
