"""Several seeds averaged: runs from the same start that saw the data in another order, joined into one.

`θ = (1 / k) Σ_r θ_r`. Runs that share their start tend to end in one basin, where the mean of their weights
does the work of the mean of their predictions at the cost of one run (Wortsman et al., Model soups, ICML
2022, the uniform soup). Runs from different random starts must be averaged by their predictions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from polyscene.core.seeds import derived
from polyscene.training.loop import Curve, Learners

Weights = Mapping[str, Tensor]


@dataclass
class Averaged:
    """What came of several seeds.

    Attributes:
        curves: one per seed.
        validation: `Σ_s λ_s validate()` of the weights that were left in place.
        averaged: whether those are the average; else the best single run's.
    """

    validation: float
    averaged: bool
    curves: list[Curve] = field(default_factory=list)


def mean_weights(runs: Sequence[Weights]) -> dict[str, Tensor]:
    """Return the uniform average of several runs' weights, summed in double precision.

    Tensors of whole numbers or truths are not averaged: they must agree.

    Raises:
        ValueError: there is no run, or runs differ in names, shapes or whole numbers.
    """
    if not runs:
        raise ValueError("expected the weights of at least one run, found none")
    first = runs[0]
    for run in runs[1:]:
        differing = [name for name in {*first, *run} if not _alike(first.get(name), run.get(name))]
        if differing:
            raise ValueError(
                f"expected runs of one model, found different {', '.join(sorted(differing)[:5])}"
            )
    return {name: _mean([run[name] for run in runs]) for name in first}


def fit_seeds(
    learners: Learners,
    shares: Mapping[str, float],
    seeds: Sequence[int],
    run: Callable[[int], Curve],
) -> Averaged:
    """Train from the same start with every seed and leave the average of the runs in the learners.

    Where the average validates worse than its runs do on average, they drifted into different basins and
    have no meaningful mean: the best run's weights are left instead. (It is not held against the best run,
    which was chosen by the very validation that would judge.)

    Args:
        learners: by name, at their start.
        shares: λ_s by name.
        seeds: at least one.
        run: trains the learners in place with one seed, as `polyscene.training.loop.fit`.

    Raises:
        ValueError: there is no seed.
    """
    start = {name: learner.weights() for name, learner in learners.items()}
    ends: list[dict[str, Weights]] = []
    scores: list[float] = []
    curves: list[Curve] = []
    for seed in seeds:
        _load(learners, start)
        curves.append(run(seed))
        ends.append({name: learner.weights() for name, learner in learners.items()})
        scores.append(_validation(learners, shares))
    _load(learners, {name: mean_weights([end[name] for end in ends]) for name in learners})
    validation = _validation(learners, shares)
    best = min(range(len(scores)), key=scores.__getitem__)
    if sum(scores) / len(scores) < validation:
        _load(learners, ends[best])
        return Averaged(scores[best], False, curves)
    return Averaged(validation, True, curves)


def seeds_of(seed: int, n: int) -> list[int]:
    """Return n seeds that follow from one."""
    return [derived(seed, "average", str(number)) for number in range(n)]


def _load(learners: Learners, weights: Mapping[str, Weights]) -> None:
    for name, learner in learners.items():
        learner.load(weights[name])


def _validation(learners: Learners, shares: Mapping[str, float]) -> float:
    return sum(shares[name] * learner.validate() for name, learner in learners.items())


def _alike(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None or one.shape != other.shape or one.dtype != other.dtype:
        return False
    return one.is_floating_point() or torch.equal(one, other)


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    first = tensors[0]
    if not first.is_floating_point():
        return first.clone()
    total = torch.zeros_like(first, dtype=torch.float64)
    for tensor in tensors:
        total += tensor
    return (total / len(tensors)).to(first.dtype)
