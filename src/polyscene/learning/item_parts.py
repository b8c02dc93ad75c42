"""What items are beside their texts joins the vectors: taken stock of, weighed on held-out choices, kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from polyscene.core.settings.project import Settings
from polyscene.core.settings.signals import BESIDE_TEXT
from polyscene.core.types import FloatArray
from polyscene.data.schema import Catalogue
from polyscene.data.splits.phases import Phase
from polyscene.learning.part_weights import PartWeights, part_weights
from polyscene.learning.training_data import BesideText, ItemVectors, TrainingData
from polyscene.representation.description import TEXT, Description
from polyscene.representation.items import centred


@dataclass(frozen=True)
class WeighedParts:
    """The vectors of every scenario with what is beside their texts, and what was learned of that.

    Attributes:
        vectors: by scenario.
        weights: by scenario whose parts were weighed.
    """

    vectors: Mapping[str, ItemVectors]
    weights: Mapping[str, PartWeights] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """Return what was decided, a sentence per scenario."""
        return [_note(name, weights) for name, weights in self.weights.items()]

    def facts(self) -> dict[str, Any]:
        """Return what a run's manifest says."""
        return {name: weights.facts() for name, weights in self.weights.items()}


def with_parts(data: TrainingData, settings: Settings) -> WeighedParts:
    """Weigh attributes and media of every scenario that lists the signal; media are kept in any case.

    Args:
        data: with the vectors of its texts.
    """
    vectors, weights = dict(data.vectors), dict[str, PartWeights]()
    for name, texts in data.vectors.items():
        catalogue = data.dataset.scenarios[name].catalogue
        listed = BESIDE_TEXT in settings.scenarios[name].signals
        if not (listed or catalogue.media):
            continue
        branches = settings.scenarios[name].items.trees
        description = Description.of(catalogue.attributes, catalogue.media, branches)
        blocks: Mapping[str, FloatArray] = {}
        if listed and description.parts:
            blocks = _blocks(description, catalogue)
            weights[name] = _weighed(data, name, texts, blocks)
            description = description.weighted(weights[name].weights)
        counting = {part.name: blocks[part.name] for part in description.counting}
        vectors[name] = replace(texts, beside=BesideText(description, counting, catalogue.media))
    return WeighedParts(vectors, weights)


def _blocks(description: Description, catalogue: Catalogue) -> dict[str, FloatArray]:
    columns = {name: catalogue.attributes[name].to_list() for name in catalogue.attributes.columns}
    return description.blocks(len(catalogue), columns, catalogue.media, all_parts=True)


def _weighed(
    data: TrainingData, name: str, texts: ItemVectors, blocks: Mapping[str, FloatArray]
) -> PartWeights:
    decay = texts.decay or data.evidence(name, Phase.PAST).decay
    return part_weights(data, name, {TEXT: centred(texts.early)} | dict(blocks), decay)


def _note(name: str, weights: PartWeights) -> str:
    gain = weights.gain
    interval = f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
    if not weights.weights:
        why = f"; their log-probability gains {interval}" if gain.known else ""
        return (
            f"{name}: nothing surely counts beside the text of an item, by {weights.choices:,} held-out "
            f"choices{why}: '{BESIDE_TEXT}' is left out"
        )
    parts = ", ".join(f"{part} {weight:.2f}" for part, weight in weights.weights.items())
    return (
        f"{name}: beside the text of an item, 1, count {parts}, by {weights.choices:,} held-out choices; "
        f"their log-probability gains {interval}"
    )
