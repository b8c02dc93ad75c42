"""`[evaluation]`: how runs are judged."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from polyscene.core.registry import Registry, known_to
from polyscene.core.settings.block import Strict

PROTOCOLS: Registry[Any] = Registry(
    "polyscene.split_protocols", ("temporal", "leave_last_out", "given", "progressive")
)
"""Subclasses of `data.splits.protocol.SplitProtocol` by name."""

ProtocolName = Annotated[str, known_to(PROTOCOLS)]


class EvaluationSettings(Strict):
    """How runs are judged."""

    protocol: ProtocolName = "temporal"
    cutoffs: list[int] = Field(default_factory=lambda: [5, 10, 20], min_length=1)
    test_share: float = Field(0.1, gt=0, lt=1, description="temporal: latest share of events that is judged")
    valid_share: float = Field(0.1, gt=0, lt=1, description="share of training the fusion learns from")
    warmup: float = Field(0.5, gt=0, lt=1, description="progressive: the share that is trained on first")
    max_cases: int | None = Field(None, ge=1, description="judge a random sample of this many choices")
    hidden_items: float = Field(
        0.0, ge=0, lt=1, description="share of the items whose events are kept from training"
    )
    bootstrap: int = Field(1000, ge=0, description="resamples for intervals; 0 draws none")
