"""What a user should know of how texts are read. Free of torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from polyscene.core.text import shown
from polyscene.core.types import FloatArray


def differing_models(models: Mapping[str, str]) -> list[str]:
    """Return what falls away where scenarios are read by different models, given by scenario."""
    if len(set(models.values())) < 2:
        return []
    read = ", ".join(f"{name} with '{shown_model(model)}'" for name, model in models.items())
    return [
        f"scenarios are read by different language models ({read}): 'cross_scenario' compares only scenarios "
        "of one model, and only those can share what tuning learns"
    ]


def unread_texts(
    texts: Mapping[str, Sequence[str]], vectors: Mapping[str, FloatArray], models: Mapping[str, str]
) -> Iterator[str]:
    """Yield which catalogues have texts that say nothing to their language model, a sentence each.

    Args:
        texts: n of each scenario.
        vectors: (n, d) of each; a zero row stands for no text.
        models: by scenario.
    """
    for name, catalogue in texts.items():
        has_text = np.array([bool(text.strip()) for text in catalogue], np.bool_)
        unread = int(np.sum(has_text & ~np.any(vectors[name] != 0, axis=1)))
        if unread:
            yield (
                f"{name}: {unread:,} of {int(has_text.sum()):,} texts are mostly unknown to the language "
                f"model '{shown_model(models[name])}' and count as no text; `polyscene check` names one that "
                "reads them"
            )


def shown_model(model: str) -> str:
    """Return a model's name fit to be shown within quotes."""
    return shown(model, 200).strip("'\"")
