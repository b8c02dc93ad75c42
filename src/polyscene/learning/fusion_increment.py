"""How a fusion that stands learns on: from new choices, and from earlier ones that were kept.

Its weights are where learning starts, and what held-out choices must prefer to: where no epoch is better on
them than the start, the start stays. How far new items are lifted stays as it was, and is not learned;
so does what scores are worth as probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from polyscene.core.progress import Progress
from polyscene.core.seeds import derived, generator
from polyscene.core.settings.fusion import FusionSettings
from polyscene.core.types import IntArray
from polyscene.learning.fusion import MIN_CHOICES, held_out_rows
from polyscene.learning.fusion_learner import FusionLearner, fusion_plan
from polyscene.learning.fusion_training import TUNING_RATE
from polyscene.recommenders.fusion.inference import FusionWeights
from polyscene.recommenders.fusion.network import FusionNetwork
from polyscene.recommenders.fusion.training import Example
from polyscene.training.loop import fit


@dataclass(frozen=True)
class Increment:
    """What learning on came to.

    Attributes:
        weights: from now on.
        choices: that were learned from or held out, earlier ones among them.
        before, after: mean loss of the choices held out; NaN where too few choices came.
    """

    weights: FusionWeights
    choices: int
    before: float = float("nan")
    after: float = float("nan")

    @property
    def learned(self) -> bool:
        """Whether the weights are others than before."""
        return self.after < self.before


def learned_on(
    weights: FusionWeights,
    scenario: int,
    new: Sequence[Example],
    earlier: Sequence[Example],
    settings: FusionSettings,
    seed: int,
    progress: Progress,
) -> Increment:
    """Return the weights after a scenario's fusion learned on.

    Args:
        weights: that it starts from.
        scenario: its number among those of the weights.
        new: choices, each as it looked before anything had learned it.
        earlier: choices from before, which are learned from again.
    """
    examples = [*new, *earlier]
    if len(new) < MIN_CHOICES:
        return Increment(weights, len(examples))
    people: IntArray = np.array([one.person for one in examples], np.int32)
    held = held_out_rows(people, generator(seed, "increment", "held out"))
    training = [one for one, out in zip(examples, held, strict=True) if not out]
    held_out = [one for one, out in zip(examples, held, strict=True) if out]
    if not training or not held_out:
        return Increment(weights, len(examples))
    torch.manual_seed(derived(seed, "increment") % 2**31)
    network = FusionNetwork.of(weights)
    learner = FusionLearner(network, scenario, training, held_out)
    plan = fusion_plan(max(settings.epochs // 2, 1), "fusion: learning on", TUNING_RATE)
    curve = fit({"on": learner}, {"on": 1.0}, plan, generator(seed, "increment", "batches"), progress)
    after = min([curve.initial, *curve.validation])
    learned = network.fitted().lifted(*weights.lift).tempered(weights.temperatures)
    return Increment(learned, len(examples), curve.initial, after)
