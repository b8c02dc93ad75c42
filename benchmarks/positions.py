"""Position bias in slates: what a place is worth beside what stands there, and what knowing it gains.

    python benchmarks/positions.py --json positions.json
    python benchmarks/positions.py --without-texts

NeMig (English): slates of up to six articles, at most one of them clicked. A fifth of the people, drawn by
seed, is judged; the others teach. A slate's click is modelled as `softmax_i(b_p(i) + r_i + βᵀx_i)`: b is what
place p is worth, r an article's own appeal, x its text as the language model reads it beside how close it is
to what the person had read. Rankers order by appeal alone; one learns it without b and one with it. On
held-out slates each click counts `1 / exp(b_p)`, so that a click far down, where few look, stands for those
that were never made. Penalties are chosen on a fifth of the teaching people. No model sees the clicks of
those who are judged.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

import prepared  # noqa: F401 - numpy reads it when it loads
from clicked_slates import Slates, read_tables
from polyscene.core.errors import PolysceneError
from polyscene.core.types import IntArray
from polyscene.evaluation.offpolicy.shown import Joined, ShownSlate
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.significance import bootstrap_interval
from polyscene.metrics.ranking import Values
from polyscene.online.exposures import exposure_of
from polyscene.policies.greedy import Greedy
from projects import WORK, data_root
from showing import table, write_json

SET, SHARE = "nemig_en", 0.2
PENALTIES = ((3.0, 30.0), (10.0, 30.0), (10.0, 300.0), (30.0, 300.0))
"""Of articles' appeals and of the texts' weights: what is tried."""
PRIOR = 1.0
"""m of clicks over expected clicks."""


@dataclass(frozen=True)
class Model:
    """What was learned: what places are worth, articles' appeals, weights of texts and of closeness."""

    places: Values
    appeal: Values
    weights: Values

    def scores(self, slates: Slates, vectors: Values) -> Values:
        """Return (S, k) how appealing what stands in slates is, wherever it stands."""
        text = vectors @ self.weights[:-1] + self.appeal
        scores: Values = np.where(
            slates.items >= 0, text[slates.items] + self.weights[-1] * slates.close, -np.inf
        )
        return scores


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--data", type=Path, help="folder of the tables; default: the named set's")
    arguments.add_argument(
        "--without-texts", action="store_true", help="articles by their clicks alone, in seconds"
    )
    arguments.add_argument("--seeds", type=int, default=3, help="how many, from 1 on")
    arguments.add_argument("--work", type=Path, default=WORK, help="where read texts are kept")
    arguments.add_argument("--json", type=Path, help="write the results here too")
    return arguments


def fitted(slates: Slates, vectors: Values, penalties: tuple[float, float], with_places: bool) -> Model:
    """Return the model of largest penalised likelihood; without places their worth is 0."""
    n_items, (count, longest), width = len(vectors), slates.items.shape, vectors.shape[1] + 1
    there = slates.items >= 0
    codes = np.where(there, slates.items, 0)
    rows = np.arange(count)

    def loss(values: Values) -> tuple[float, Values]:
        places, appeal, weights = np.split(values, [longest, longest + n_items])
        text = vectors @ weights[:-1] + appeal
        logits = np.where(there, text[codes] + weights[-1] * slates.close + places, -np.inf)
        logits -= logits.max(axis=1, keepdims=True)
        shares = np.exp(logits)
        shares /= shares.sum(axis=1, keepdims=True)
        own, of_text = penalties
        total = -np.log(shares[rows, slates.place]).sum() + own / 2 * appeal @ appeal
        total += of_text / 2 * weights @ weights
        surplus = shares
        surplus[rows, slates.place] -= 1.0
        by_item = np.bincount(codes[there], surplus[there], n_items)
        slope = np.concatenate([by_item @ vectors, [float((surplus * slates.close).sum())]])
        of_places = surplus.sum(axis=0) if with_places else np.zeros(longest)
        return float(total), np.concatenate([of_places, by_item + own * appeal, slope + of_text * weights])

    start = np.zeros(longest + n_items + width)
    optimum = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    places, appeal, weights = np.split(optimum.x, [longest, longest + n_items])
    return Model(places - places[0], appeal, weights)


def likelihood(model: Model, slates: Slates, vectors: Values) -> Values:
    """Return (S,) log-probabilities of the clicks, places counted."""
    logits = model.scores(slates, vectors) + model.places
    logits -= logits.max(axis=1, keepdims=True)
    chosen = logits[np.arange(len(logits)), slates.place]
    log_likelihood: Values = chosen - np.log(np.exp(logits).sum(axis=1))
    return log_likelihood


def reciprocal_ranks(scores: Values, place: IntArray) -> Values:
    """Return (S,) one over the mid-rank of what was clicked."""
    own = scores[np.arange(len(scores)), place][:, None]
    ties = (scores == own).sum(axis=1) - 1
    ranks: Values = 1.0 / (1.0 + (scores > own).sum(axis=1) + ties / 2)
    return ranks


def counted_appeal(slates: Slates, n_items: int) -> tuple[Values, Values]:
    """Return what articles earned for being shown, as a raw rate and over what their places let expect."""
    there = slates.items >= 0
    shown = np.bincount(slates.items[there], minlength=n_items)
    clicks = np.bincount(slates.items[np.arange(len(slates.place)), slates.place], minlength=n_items)
    mean = clicks.sum() / shown.sum()
    raw = (clicks + PRIOR) / (shown + PRIOR / mean)
    factors = exposure_of(_joined(slates), PRIOR).factors
    corrected = np.array([factors.get(str(item), 1.0) for item in range(n_items)])
    return np.log(raw), np.log(corrected)


def _joined(slates: Slates) -> Joined:
    """Return the slates as the log of a service, which `exposure_of` reads."""
    shown, rewards, nothing = [], [], np.zeros(0, np.float32)
    for number, (items, place) in enumerate(zip(slates.items, slates.place, strict=True)):
        row = items[items >= 0]
        places, sure = np.arange(len(row)), np.ones(len(row), np.float32)
        names = tuple(str(item) for item in row.tolist())
        shown.append(ShownSlate(str(number), 0, "", SET, names, places, sure, nothing, Greedy()))
        rewards.append((places == place).astype(np.int64))
    return Joined(tuple(shown), tuple(rewards), {})


def outcome(slates: Slates, vectors: Values, seed: int) -> dict[str, Any]:
    """Return what one draw of judged people gives."""
    draws = np.random.default_rng(seed)
    people = draws.permutation(int(slates.user.max()) + 1) / (int(slates.user.max()) + 1)
    judged, checked = people[slates.user] < SHARE, people[slates.user] < 2 * SHARE
    test, valid, learn = slates.take(judged), slates.take(checked & ~judged), slates.take(~checked)
    likelihoods = {
        one: likelihood(fitted(learn, vectors, one, True), valid, vectors).mean() for one in PENALTIES
    }
    penalties = max(likelihoods, key=lambda one: likelihoods[one])
    teach = slates.take(~judged)
    model, blind = (fitted(teach, vectors, penalties, with_places) for with_places in (True, False))
    worth = np.exp(model.places)
    weights = 1.0 / worth[test.place]
    raw, corrected = counted_appeal(teach, len(vectors))
    nobody = Model(_places_alone(teach), model.appeal * 0, model.weights * 0)
    impersonal = Model(model.places, model.appeal, np.append(model.weights[:-1], 0.0))
    by_appeal = {
        "text and appeal, places unknown": blind.scores(test, vectors),
        "text and appeal, places known": model.scores(test, vectors),
        "click rate": _standing(test, raw),
        "clicks over expected clicks": _standing(test, corrected),
    }
    ranks = {name: reciprocal_ranks(scores, test.place) for name, scores in by_appeal.items()}
    return {
        "user": test.user + seed * 10**6,
        "weights": weights,
        "ranks": ranks,
        "worth": worth,
        "clicked": np.bincount(teach.place, minlength=len(worth)) / (teach.items >= 0).sum(axis=0),
        "clicked_test": np.bincount(test.place, minlength=len(worth)) / (test.items >= 0).sum(axis=0),
        "likelihood": {
            "places alone": likelihood(nobody, test, vectors),
            "places and appeal": likelihood(impersonal, test, vectors),
            "places, appeal and person": likelihood(model, test, vectors),
        },
        "penalties": penalties,
    }


def _standing(slates: Slates, appeal: Values) -> Values:
    scores: Values = np.where(slates.items >= 0, appeal[slates.items], -np.inf)
    return scores


def _places_alone(slates: Slates) -> Values:
    """Return the worth of places where articles are all alike."""
    nothing = np.zeros((int(slates.items.max()) + 1, 1))
    return fitted(slates, nothing, (1e9, 1e9), True).places


def summary(outcomes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return means and intervals over people, all seeds together."""
    user = np.concatenate([one["user"] for one in outcomes])
    weights = np.concatenate([one["weights"] for one in outcomes])
    weights = weights / weights.mean()

    def joined(kind: str, name: str) -> Values:
        return np.concatenate([one[kind][name] for one in outcomes])

    ranks = {name: joined("ranks", name) for name in outcomes[0]["ranks"]}
    pairs = {
        "text and appeal": ("text and appeal, places known", "text and appeal, places unknown"),
        "counts": ("clicks over expected clicks", "click rate"),
    }
    gains = {}
    for name, (first, second) in pairs.items():
        difference = ranks[first] - ranks[second]
        balanced = bootstrap_interval(difference * weights, user, seed=1)
        as_clicked = bootstrap_interval(difference, user, seed=1)
        gains[name] = {
            "balanced": [balanced.mean, balanced.low, balanced.high],
            "as clicked": [as_clicked.mean, as_clicked.low, as_clicked.high],
        }
    likelihoods = {name: joined("likelihood", name) for name in outcomes[0]["likelihood"]}
    names = list(likelihoods)
    steps = {}
    for less, more in itertools.pairwise(names):
        step = bootstrap_interval(likelihoods[more] - likelihoods[less], user, seed=1)
        steps[more] = [step.mean, step.low, step.high]
    worth, clicked, test = (
        np.mean([one[name] for one in outcomes], axis=0) for name in ("worth", "clicked", "clicked_test")
    )
    corrected = test / worth
    return {
        "places": {
            "click rate": clicked.tolist(),
            "worth": worth.tolist(),
            "held-out click rate": test.tolist(),
            "held-out click rate corrected": (corrected / corrected.mean() * test.mean()).tolist(),
        },
        "mrr": {
            name: {"balanced": float((values * weights).mean()), "as clicked": float(values.mean())}
            for name, values in ranks.items()
        },
        "gains": gains,
        "log-likelihood": {name: float(values.mean()) for name, values in likelihoods.items()},
        "steps": steps,
        "penalties": [list(one["penalties"]) for one in outcomes],
    }


def drawn(rows: Mapping[str, Any]) -> str:
    """Return the tables that are printed."""
    places = rows["places"]
    head = ("place", *(str(place + 1) for place in range(len(places["worth"]))))
    parts = [table(head, [(name, *(f"{value:.3f}" for value in values)) for name, values in places.items()])]
    lines = [
        (name, f"{values['balanced']:.4f}", f"{values['as clicked']:.4f}")
        for name, values in rows["mrr"].items()
    ]
    for name, gain in rows["gains"].items():
        balanced, as_clicked = _interval(gain["balanced"]), _interval(gain["as clicked"])
        lines.append((f"gain of knowing places: {name}", balanced, as_clicked))
    parts.append(
        table(("MRR within held-out slates", "clicks weighed by place", "clicks as they fell"), lines)
    )
    likelihoods = [
        (name, f"{value:.4f}", _interval(rows["steps"].get(name)))
        for name, value in rows["log-likelihood"].items()
    ]
    parts.append(table(("log-likelihood of held-out clicks", "mean", "above the line before"), likelihoods))
    return "\n\n".join(parts)


def _interval(step: Sequence[float] | None) -> str:
    return "–" if step is None else f"{step[0]:+.4f} [{step[1]:+.4f}, {step[2]:+.4f}]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, fit, judge, print, write."""
    options = parser().parse_args(arguments)
    try:
        folder = data_root() / SET if options.data is None else options.data
        slates, vectors = read_tables(folder, None if options.without_texts else options.work / "cache")
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    rows = summary([outcome(slates, vectors, seed) for seed in range(1, options.seeds + 1)])
    print(drawn(rows))
    if options.json is not None:
        facts = {"set": SET, "seeds": options.seeds, "slates": len(slates.user)}
        write_json(options.json, {**facts, **rows, "machine": machine(), "versions": versions()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
