"""How uncertain fused scores are, made of what each signal that is `Uncertain` says of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from polyscene.core.types import FloatArray
from polyscene.engine.decision import Decision
from polyscene.recommenders.abilities import Uncertain


def deviations_of(decision: Decision) -> FloatArray | None:
    """Return (C,) the standard deviation of each candidate's fused score; None where no signal knows its own.

    The delta method: with f the fusion, s_k the score of signal k and d_k its deviation, signals taken as
    independent,

        d² = Σ_k (f(s + d_k e_k) - f(s))²

    A difference in place of the derivative, so that what the fusion bends is bent here too. What rules add is
    certain.
    """
    fusion, block = decision.state.fusion, decision.features
    codes = decision.candidates[None]
    usual, total = fusion.combined(block)[0], np.zeros(len(decision.candidates))
    uncertain = False
    for place, signal in enumerate(fusion.signals):
        if isinstance(signal, Uncertain):
            uncertain = True
            moved = block.signals.copy()
            moved[0, place] += signal.deviation(decision.queries, codes)[0] / fusion.features.scales[place]
            total += (fusion.combined(replace(block, signals=moved))[0] - usual) ** 2
    return np.sqrt(total).astype(np.float32) if uncertain else None
