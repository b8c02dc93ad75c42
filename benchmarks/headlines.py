"""Headlines as an exact bandit: how much regret a prior from the text saves, and how it orders pairs.

    POLYSCENE_DATA=FOLDER python benchmarks/headlines.py --json headlines.json --figure headlines.svg
    python benchmarks/headlines.py --train FOLDER --data OTHER_FOLDER --json headlines.json

FOLDER holds arms.parquet with test_id, test_week, headline, impressions and clicks of randomised tests. A
third of the tests, by a hash of their id, is judged; the others teach a `RateRanker` how a text moves the
click rate within its test, from two middle layers of each language model. With --train, that folder
teaches and all of --data is judged, less the tests that are in both. Every judged test is a bandit with the
observed rates as truth and as many impressions as it had, see `headline_bandit.py`. The best observed rate
is partly luck, which no text can foretell; regret against it is what every policy is charged with alike.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import prepared  # noqa: F401 - numpy reads it when it loads
from curves import Panel, draw
from headline_bandit import POLICIES, Bandits, Prior, regrets
from headline_tests import Arms, interval, is_judged, ordered, read_arms
from measuring import measured
from polyscene.core.errors import DataError, PolysceneError, Problem
from polyscene.core.settings.language import MINILM, MULTILINGUAL, LanguageSettings
from polyscene.evaluation.provenance import machine, versions
from polyscene.language.model.loading import load_model
from polyscene.language.model.multilingual import PACKAGE
from polyscene.language.model.packed_bert import packed
from polyscene.language.ranking.layer_reader import LayerReader
from polyscene.language.ranking.rate_ranker import RateRanker, TextReader
from polyscene.language.ranking.text_tests import centred
from polyscene.language.text.cache import EncodingCache
from projects import data_root
from showing import Telling, table, write_json

SET = "upworthy"
OBTAIN = (
    "obtain upworthy_clean.parquet of elilk2/Upworthy-Analysis-Project on GitHub and save it as arms.parquet"
)
STEPS = 60
SHARES = (0.1, 0.2, 0.3, 0.5, 0.7)
"""Of the variance of log rates within tests, so much is foretold by the guesses of `foretold`."""

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


def priors_of(taught: Arms, held_out: Values, guess: Values, judged: Arms) -> dict[str, Prior]:
    """Return what is thought of the judged arms with their texts, and without.

    Spreads are of observed rates, since these are the truth here: counting is not taken off.

    Args:
        held_out: guesses of the taught arms by those who had not seen their tests.
        guess: of the judged arms.
    """
    bandits, place = bandits_of(judged)
    lead = np.zeros(bandits.rates.shape)
    lead[judged.test, place] = guess
    levels = taught.tests.levels
    level, level_spread = float(levels.mean()), float(levels.std())
    spread, left = (taught.tests.spread(one, less_counting=False) for one in (0 * held_out, held_out))
    return {
        "with_prior": Prior(lead, left, level, level_spread),
        "without_prior": Prior(np.zeros_like(lead), spread, level, level_spread),
    }


def foretold(judged: Arms, taught: Arms, seed: int) -> dict[str, dict[str, float]]:
    """Return what Thompson sampling would save by guesses that explain so much of the judged rates.

    They are made from the truth and noise, so this is no result, but what any text would have to tell.
    """
    bandits, place = bandits_of(judged)
    truth = centred(judged.tests.log_rates[:, None], judged.test, np.ones(len(judged.test)))[:, 0]
    noise = np.random.default_rng(seed).standard_normal(len(truth)) * truth.std()
    levels, nothing = taught.tests.levels, 0 * truth
    rows = {}
    for share in (0.0, *SHARES):
        guess = share * (truth + noise * np.sqrt((1 - share) / share)) if share else nothing
        lead = np.zeros(bandits.rates.shape)
        lead[judged.test, place] = guess
        left = judged.tests.spread(guess, less_counting=False)
        prior = Prior(lead, left, float(levels.mean()), float(levels.std()))
        lost = float(regrets(bandits, prior, "thompson", STEPS, seed)[:, -1].sum())
        rows[str(share)] = {"lost": lost, **ordered(judged, guess)}
    return {share: row | {"saved": 1.0 - row["lost"] / rows["0.0"]["lost"]} for share, row in rows.items()}


def run(
    taught: Arms, judged: Arms, reader: TextReader, seeds: int, seed: int, needed: bool = False
) -> dict[str, Any]:
    """Learn, order pairs, and let every policy serve, with the prior and without."""
    ranker = RateRanker(reader).fit(taught.tests)
    assert ranker.prior is not None  # it has learned
    guess = ranker.lead(judged.headlines, judged.test)
    bandits, _ = bandits_of(judged)
    curves: dict[str, dict[str, Values]] = {}
    for kind, prior in priors_of(taught, ranker.held_out, guess, judged).items():
        for policy in POLICIES:
            runs = [regrets(bandits, prior, policy, STEPS, seed + each) for each in range(seeds)]
            curves.setdefault(policy, {})[kind] = np.stack(
                [run.sum(axis=0) for run in runs]
            )  # (seeds, STEPS)
    shown = float(bandits.horizon.sum())
    summary = {policy: _summary(both, shown) for policy, both in curves.items()}
    best = min(summary, key=lambda policy: summary[policy]["with_prior"])
    logs = centred(judged.tests.log_rates[:, None], judged.test, np.ones(len(guess)))[:, 0]
    low, high = interval(judged, guess, seed)
    return {
        **ordered(judged, guess),
        "pair_accuracy_low": low,
        "pair_accuracy_high": high,
        "held_out": ordered(taught, ranker.held_out),
        "correlation": float(np.corrcoef(guess, logs)[0, 1]),
        "regret": summary[best]["with_prior"],
        "best": best,
        "bandit": summary,
        "tests": {"learned": len(taught.names), "judged": len(judged.names)},
        "arms": {"learned": len(taught.headlines), "judged": len(judged.headlines)},
        "impressions": shown,
        "prior": asdict(ranker.prior),
        "foretold": foretold(judged, taught, seed) if needed else {},
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
        f"pairs ordered rightly: {results['pair_accuracy']:.1%} [{results['pair_accuracy_low']:.1%}, "
        f"{results['pair_accuracy_high']:.1%}] of the {results['pairs']:,.0f} that differ by over 2 standard "
        f"errors, {results['pair_accuracy_all']:.1%} of all {results['pairs_all']:,.0f}; of the tests "
        f"learned from, each held out in turn, {results['held_out']['pair_accuracy']:.1%}"
    )
    wanted = [
        [share, f"{one['saved']:.1%}", f"{one['pair_accuracy']:.1%}", f"{one['pair_accuracy_all']:.1%}"]
        for share, one in results["foretold"].items()
    ]
    columns = ["variance foretold", "Thompson saves", "clear pairs", "all pairs"]
    return "\n".join([title, table(head, rows), order, *([table(columns, wanted)] if wanted else [])])


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--data", type=Path, metavar="FOLDER", help=f"default: {SET} of the data folder")
    arguments.add_argument("--train", type=Path, metavar="FOLDER", help="learn here, and judge all of --data")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    arguments.add_argument("--figure", type=Path, metavar="FILE", help="draw regret here, .svg or .png")
    arguments.add_argument("--seed", type=int, default=7, metavar="N", help="of clicks; default: 7")
    arguments.add_argument("--seeds", type=int, default=5, metavar="N", help="repetitions; default: 5")
    arguments.add_argument(
        "--model",
        nargs="+",
        metavar="MODEL",
        help="as in [language] model; default: minilm, and multilingual where it is installed",
    )
    arguments.add_argument("--needed", action="store_true", help="tell what better guesses would save")
    return arguments


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
        names = options.model or [MINILM, *([MULTILINGUAL] if PACKAGE.installed else [])]
        models = [packed(load_model(LanguageSettings(model=name), progress=Telling())) for name in names]
        reader = LayerReader(models, EncodingCache(), Telling())
        with measured() as cost:
            results = run(taught, judged, reader, options.seeds, options.seed, options.needed)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    print(tables(results))
    if options.figure is not None:
        drawn(options.figure, results)
    results |= {"seed": options.seed, "models": names, "cost": cost.to_json()}
    results |= {"machine": machine(), "versions": versions()}
    if options.json is not None:
        write_json(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
