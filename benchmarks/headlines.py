"""Headlines as an exact bandit: how much regret a prior from the text saves, and how it orders pairs.

    POLYSCENE_DATA=FOLDER python benchmarks/headlines.py --json headlines.json --figure headlines.svg
    python benchmarks/headlines.py --train FOLDER --data OTHER_FOLDER --json headlines.json

FOLDER holds arms.parquet with test_id, test_week, headline, impressions and clicks of randomised tests. A
third of the tests, by a hash of their id, is judged; the others teach, by ridge regression on the language
model's vectors as it came, how a text moves the click rate within its test. With --train, that folder
teaches and all of --data is judged, less the tests that are in both. Every judged test is a bandit with the
observed rates as truth and as many impressions as it had, see `headline_bandit.py`. The best observed rate
is partly luck, which no text can foretell; regret against it is what every policy is charged with alike.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import prepared  # noqa: F401 - numpy reads it when it loads
from curves import Panel, draw
from headline_bandit import POLICIES, Bandits, Prior, regrets
from headline_tests import (
    Arms,
    Encode,
    TextPrior,
    centred_logs,
    fit_prior,
    is_judged,
    ordered,
    read_arms,
)
from measuring import measured
from polyscene.core.errors import DataError, PolysceneError, Problem
from polyscene.core.settings.language import LanguageSettings
from polyscene.evaluation.provenance import machine, versions
from polyscene.language.model.loading import load_model
from polyscene.language.model.packed_bert import packed
from polyscene.language.text.cache import EncodingCache, encode_cached
from projects import data_root
from showing import Telling, table, write_json

SET = "upworthy"
OBTAIN = (
    "obtain upworthy_clean.parquet of elilk2/Upworthy-Analysis-Project on GitHub and save it as arms.parquet"
)
STEPS = 60

Values = NDArray[np.float64]


def split(folder: Path, train: Path | None) -> tuple[Arms, Arms]:
    """Return the arms to learn from and those to judge.

    Raises:
        DataError: a folder cannot be used, or one part is empty.
    """
    arms = read_arms(folder, OBTAIN)
    if train is None:
        taught, judged = arms.of(lambda name: not is_judged(name)), arms.of(is_judged)
    else:
        taught = read_arms(train, OBTAIN)
        known = set(taught.names)
        judged = arms.of(lambda name: name not in known)
    if not taught.names or not judged.names:
        found = f"{len(taught.names)} to learn from and {len(judged.names)} to judge"
        raise DataError(
            Problem("there are too few tests", "some on either side", found, "give more, or other folders")
        )
    return taught, judged


def bandits_of(arms: Arms) -> tuple[Bandits, NDArray[np.int64]]:
    """Return the tests side by side, and (n,) the place of each arm in its test."""
    counts = np.bincount(arms.test)
    place = np.arange(len(arms.test)) - np.repeat(np.cumsum(counts) - counts, counts)
    rates, there = np.zeros((len(counts), counts.max())), np.zeros((len(counts), counts.max()), np.bool_)
    rates[arms.test, place], there[arms.test, place] = arms.rates, True
    return Bandits(rates, there, np.bincount(arms.test, arms.shown).astype(np.float64)), place


def priors_of(taught: Arms, text: TextPrior, guess: Values, judged: Arms) -> dict[str, Prior]:
    """Return what is thought of the judged arms with their texts, and without."""
    bandits, place = bandits_of(judged)
    lead = np.zeros(bandits.rates.shape)
    lead[judged.test, place] = guess
    levels = np.log(np.bincount(taught.test, taught.clicks) / np.bincount(taught.test, taught.shown))
    level, level_spread = float(levels.mean()), float(levels.std())
    return {
        "with_prior": Prior(lead, text.left, level, level_spread),
        "without_prior": Prior(np.zeros_like(lead), text.spread, level, level_spread),
    }


def run(taught: Arms, judged: Arms, encode: Encode, seeds: int, seed: int) -> dict[str, Any]:
    """Learn, order pairs, and let every policy serve, with the prior and without."""
    text = fit_prior(taught, encode(taught.headlines).astype(np.float64))
    guess = text.guess(judged, encode(judged.headlines).astype(np.float64))
    bandits, _ = bandits_of(judged)
    curves: dict[str, dict[str, Values]] = {}
    for kind, prior in priors_of(taught, text, guess, judged).items():
        for policy in POLICIES:
            runs = [regrets(bandits, prior, policy, STEPS, seed + each) for each in range(seeds)]
            curves.setdefault(policy, {})[kind] = np.stack(
                [run.sum(axis=0) for run in runs]
            )  # (seeds, STEPS)
    shown = float(bandits.horizon.sum())
    summary = {policy: _summary(both, shown) for policy, both in curves.items()}
    best = min(summary, key=lambda policy: summary[policy]["with_prior"])
    logs = centred_logs(judged, np.ones(len(guess)))
    return {
        **ordered(judged, guess),
        "correlation": float(np.corrcoef(guess, logs)[0, 1]),
        "regret": summary[best]["with_prior"],
        "best": best,
        "bandit": summary,
        "tests": {"learned": len(taught.names), "judged": len(judged.names)},
        "arms": {"learned": len(taught.headlines), "judged": len(judged.headlines)},
        "impressions": shown,
        "prior": {"ridge": text.ridge, "slope": text.slope, "spread": text.spread, "left": text.left},
        "seeds": seeds,
        "curves": {
            policy: {kind: each.tolist() for kind, each in both.items()} for policy, both in curves.items()
        },
    }


def _summary(both: Mapping[str, Values], shown: float) -> dict[str, float]:
    """Return clicks lost per 1,000 impressions, and what share the prior saves, with a band over seeds."""
    ends = {kind: 1000.0 * runs[:, -1] / shown for kind, runs in both.items()}
    saved = 1.0 - ends["with_prior"] / ends["without_prior"]
    lost = {kind: runs.mean(axis=0) for kind, runs in both.items()}
    early = 1.0 - lost["with_prior"] / lost["without_prior"]  # (STEPS,)
    return {
        **{kind: float(values.mean()) for kind, values in ends.items()},
        "saved": float(saved.mean()),
        "saved_low": float(saved.min()),
        "saved_high": float(saved.max()),
        "saved_in_the_first_batch": float(early[0]),
        "saved_at_5_percent": float(early[STEPS // 20 - 1]),
    }


def tables(results: Mapping[str, Any]) -> str:
    """Return the results as text."""
    rows = [
        [
            policy,
            f"{one['without_prior']:.3f}",
            f"{one['with_prior']:.3f}",
            f"{one['saved']:.1%} [{one['saved_low']:.1%}, {one['saved_high']:.1%}]",
            f"{one['saved_in_the_first_batch']:.1%}",
            f"{one['saved_at_5_percent']:.1%}",
        ]
        for policy, one in results["bandit"].items()
    ]
    head = ["clicks lost per 1,000 impressions", "no prior", "prior", "saved", "first batch", "first 5 %"]
    title = (
        f"{results['tests']['judged']:,} tests judged, {results['tests']['learned']:,} learned from; "
        f"{results['impressions']:,.0f} impressions, {results['seeds']} seeds"
    )
    order = (
        f"pairs ordered rightly: {results['pair_accuracy']:.1%} of the {results['pairs']:,.0f} that differ "
        f"by over 2 standard errors, {results['pair_accuracy_all']:.1%} of all {results['pairs_all']:,.0f}"
    )
    return f"{title}\n{table(head, rows)}\n{order}"


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--data", type=Path, metavar="FOLDER", help=f"default: {SET} of the data folder")
    made.add_argument("--train", type=Path, metavar="FOLDER", help="learn here, and judge all of --data")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    made.add_argument("--figure", type=Path, metavar="FILE", help="draw regret here, .svg or .png")
    made.add_argument("--seed", type=int, default=7, metavar="N", help="of clicks; default: 7")
    made.add_argument("--seeds", type=int, default=5, metavar="N", help="repetitions; default: 5")
    made.add_argument("--model", default="minilm", help="a language model, as in [language] model")
    return made


def drawn(path: Path, results: Mapping[str, Any]) -> None:
    """Draw regret over the share of the impressions."""
    share = 100.0 * np.arange(1, STEPS + 1) / STEPS
    titles = {"without_prior": "no prior", "with_prior": "prior from the text"}
    panels = [
        Panel(
            title,
            share,
            {policy: np.array(both[kind]) for policy, both in results["curves"].items()},
            {},
        )
        for kind, title in titles.items()
    ]
    draw(path, panels, "impressions served, %", "clicks lost against the best headline")


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, learn, judge, print, write."""
    options = parser().parse_args(arguments)
    if options.seeds < 1:
        print(f"expected at least 1 seed, found {options.seeds}", file=sys.stderr)
        return 1
    folder = data_root() / SET if options.data is None else options.data
    try:
        taught, judged = split(folder, options.train)
        model = packed(load_model(LanguageSettings(model=options.model), progress=Telling()))
        encode = partial(encode_cached, model, cache=EncodingCache())
        with measured() as cost:
            results = run(taught, judged, encode, options.seeds, options.seed)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    print(tables(results))
    if options.figure is not None:
        drawn(options.figure, results)
    results |= {"seed": options.seed, "model": options.model, "cost": cost.to_json()}
    results |= {"machine": machine(), "versions": versions()}
    if options.json is not None:
        write_json(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
