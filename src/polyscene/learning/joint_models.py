"""What joint training leaves behind: each scenario's weights, and what scenarios taught each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from polyscene.evaluation.transfer import TransferMatrix
from polyscene.recommenders.multitask.inference import MultitaskWeights


@dataclass(frozen=True)
class JointModels:
    """What came of training.

    Attributes:
        weights: by scenario; None where nothing can be learned.
        notes: what was decided and why, each a sentence.
        transfer: what scenarios taught each other; None where fewer than two could learn.
        seconds: that it took.
    """

    weights: Mapping[str, MultitaskWeights | None]
    notes: tuple[str, ...]
    transfer: TransferMatrix | None
    seconds: float
