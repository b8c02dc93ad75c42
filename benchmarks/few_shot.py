"""Language understanding from few labels: prompts with a yes or no answer, judged by AUC.

    python benchmarks/few_shot.py --json few_shot.json
    python benchmarks/few_shot.py --data FOLDER --draws 10 --seed 7

FOLDER holds valid.parquet and test.parquet with the columns instruction, input and output. k = 16, 64 and 256
examples are drawn from valid, several times, and the whole test split is scored, each prompt by itself.
Where there is a context.parquet, or another file with --context, the histories in its input teach the
domain's opinions; with --histories those of valid that were not drawn are known too, without their answers.
Beside the ranker stand the base rate (the share of liked things in the history, which reads no text), the
ranker without any label, what the texts say alone, and the ranker without the language model's vectors.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

import prepared  # noqa: F401 - numpy reads it when it loads
from measuring import measured
from polyscene.core.errors import DataError, PolysceneError, Problem
from polyscene.core.seeds import generator
from polyscene.core.settings.language import LanguageSettings
from polyscene.core.text import shown
from polyscene.core.types import FloatArray
from polyscene.evaluation.provenance import machine, versions
from polyscene.language.model.loading import load_model
from polyscene.language.ranking.examples import Prompt, base_logits, people
from polyscene.language.ranking.history_encoding import Encoder, MemoisedEncoder, encoder_of
from polyscene.language.ranking.kernel import Kernel
from polyscene.language.ranking.opinions import Opinions
from polyscene.language.ranking.ranker import ScoreParts, TextRanker
from polyscene.language.ranking.templates import read_prompt
from polyscene.metrics.probability import auc, log_loss
from projects import data_root
from showing import Telling, lead_text, table, write_json

SET = "tallrec_movie"
SIZES = (16, 64, 256)
RESAMPLES = 2000
OBTAIN = (
    "obtain data/movie/{valid,test}.json of SAI990323/TALLRec on GitHub and save them as valid.parquet and "
    "test.parquet with instruction, input and output"
)

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Split:
    """Prompts with their answers.

    Attributes:
        prompts: n prompts.
        labels: (n,) 0 or 1.
    """

    prompts: list[Prompt]
    labels: Values


@dataclass
class FewShotScores:
    """What one number of labels gave, over several draws.

    Attributes:
        scores: (n,) probabilities per draw.
        without_vectors: the same without the language model's vectors.
        rows: one mapping of metrics per draw.
    """

    scores: list[Values] = field(default_factory=list)
    without_vectors: list[Values] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)

    def add(self, labels: Values, scores: ScoreParts, without_vectors: ScoreParts) -> None:
        """Judge one draw."""
        self.scores.append(scores.probability)
        self.without_vectors.append(without_vectors.probability)
        self.rows.append(
            {
                "auc": auc(labels, scores.probability),
                "text_alone_auc": auc(labels, scores.text),
                "without_language_model_auc": auc(labels, without_vectors.probability),
                "log_loss": log_loss(labels, scores.probability),
            }
        )

    def summary(self, metric: str) -> dict[str, float]:
        """Return mean and spread of a metric over the draws."""
        values = np.array([row[metric] for row in self.rows])
        return {"mean": float(values.mean()), "sd": float(values.std(ddof=1)) if len(values) > 1 else 0.0}


def load(folder: Path, part: str) -> Split:
    """Read one split.

    Raises:
        DataError: the file or a column is missing, or an answer cannot be read.
    """
    rows = _read(folder / f"{part}.parquet", ["input", "output"])
    prompts = [read_prompt(text or "", answer or "") for text, answer in rows.iter_rows()]
    return Split(prompts, np.array([prompt.label for prompt in prompts], np.float64))


def load_histories(path: Path) -> list[Prompt]:
    """Read prompts of which the histories alone are known.

    Raises:
        DataError: the file or a column is missing.
    """
    return [read_prompt(text or "") for (text,) in _read(path, ["input"]).iter_rows()]


def _has_context(folder: Path) -> bool:
    return (folder / "context.parquet").is_file()


def _read(path: Path, columns: list[str]) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, columns=columns)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = shown(str(error).splitlines()[0], 200)
        expected = f"{path.name} with {' and '.join(columns)}"
        raise DataError(Problem("the prompts cannot be read", expected, reason, OBTAIN, str(path))) from error


@dataclass(frozen=True)
class Readers:
    """What a ranker knows beforehand, with the language model's vectors and without.

    Attributes:
        encoder: of texts.
        opinions: of the domain.
        without_vectors: the same learned from years and single texts alone.
    """

    encoder: Encoder
    opinions: Opinions
    without_vectors: Opinions

    @classmethod
    def of(cls, encoder: Encoder, context: Sequence[Prompt]) -> Readers:
        """Learn the domain's opinions."""
        return cls(encoder, Opinions.of(context, encoder), Opinions.of(context, _silent))

    def rankers(self) -> tuple[TextRanker, TextRanker]:
        """Return a fresh ranker with vectors, and one without."""
        kernel = Kernel()
        return (
            TextRanker(self.encoder, kernel, self.opinions),
            TextRanker(_silent, kernel.without_vectors(), self.without_vectors),
        )


def _silent(texts: Sequence[str]) -> FloatArray:
    return np.zeros((len(texts), 1), np.float32)


def unanswered(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Return prompts without their answers."""
    return [replace(prompt, label=None) for prompt in prompts]


def judge(readers: Readers, examples: Sequence[Prompt], test: Split, scores: FewShotScores) -> None:
    """Learn from the examples and score the test split, with the language model's vectors and without."""
    asked = unanswered(test.prompts)
    with_words, without = readers.rankers()
    for ranker in (with_words, without):
        ranker.fit(examples) if examples else ranker.zero_shot()
    scores.add(test.labels, with_words.score_parts(asked), without.score_parts(asked))


def lead(test: Split, scores: Sequence[Values], others: Sequence[Values], seed: int) -> dict[str, Any]:
    """Return how far one mean AUC lies above the other, with a paired interval over people.

    Whole people are drawn with replacement, as prompts of one person are not independent. An AUC under any
    such draw is a quotient of sums over pairs of people, so the sums are made once.
    """
    owner = people(test.prompts)
    counts = _drawn_people(int(owner.max()) + 1, seed)  # (resamples, people)
    total = _over_pairs(np.ones((len(owner), len(owner))), test.labels, owner)  # (people, people)
    one, other = ([_wins(test.labels, each, owner) for each in rows] for rows in (scores, others))
    wins = np.mean(one, axis=0) - np.mean(other, axis=0)
    pairs, won = (((counts @ sums) * counts).sum(axis=1) for sums in (total, wins))  # (resamples,) each
    low, high = (float(bound) for bound in np.quantile(won[pairs > 0] / pairs[pairs > 0], (0.025, 0.975)))
    mean = float(wins.sum() / total.sum())
    return {"mean": mean, "low": low, "high": high, "better": low > 0.0, "worse": high < 0.0}


def _drawn_people(count: int, seed: int) -> Values:
    draws = generator(seed, "few_shot", "bootstrap").integers(0, count, (RESAMPLES, count))
    return np.stack([np.bincount(row, minlength=count) for row in draws]).astype(np.float64)


def _wins(labels: Values, scores: Values, owner: NDArray[np.int64]) -> Values:
    """Return (people, people) how many pairs of one's yes and another's no are ordered rightly, ties half."""
    above = scores[:, None] - scores[None, :]
    return _over_pairs((above > 0) + 0.5 * (above == 0), labels, owner)


def _over_pairs(values: Values, labels: Values, owner: NDArray[np.int64]) -> Values:
    """Sum (n, n) values of (yes, no) pairs by who said each."""
    belongs = np.eye(int(owner.max()) + 1)[owner]  # (n, people)
    yes, no = belongs * labels[:, None], belongs * (1.0 - labels)[:, None]
    return np.asarray(yes.T @ values @ no)


def run(
    folder: Path,
    encoder: Encoder,
    draws: int,
    seed: int,
    context: Path | None = None,
    histories: bool = False,
    sizes: Sequence[int] = SIZES,
) -> dict[str, Any]:
    """Judge every number of labels.

    Args:
        folder: of the prompts.
        encoder: of texts.
        draws: per number of labels.
        seed: of the draws.
        context: a file of prompts of whose histories alone is learned; None: the folder's, if it has one.
        histories: whether those of the undrawn prompts are known.
        sizes: numbers of labels.

    Raises:
        DataError: the folder cannot be used.
    """
    valid, test = load(folder, "valid"), load(folder, "test")
    known = load_histories(context or folder / "context.parquet") if context or _has_context(folder) else []
    readers = Readers.of(encoder, known)
    if not 0.0 < test.labels.mean() < 1.0:
        raise DataError(
            Problem("nothing can be ordered", "both answers in test", "one of them", "choose another split")
        )
    base = base_logits(test.prompts)
    scores = {size: FewShotScores() for size in (0, *sizes) if size <= len(valid.prompts)}
    for size, results in scores.items():
        for draw in range(draws if size else 1):
            chosen = generator(seed, "few_shot", str(size), str(draw)).permutation(len(valid.prompts))[:size]
            rest = np.setdiff1d(np.arange(len(valid.prompts)), chosen) if histories else chosen[:0]
            beside = unanswered([valid.prompts[row] for row in rest])
            judge(readers, [*beside, *(valid.prompts[row] for row in np.sort(chosen))], test, results)
    zero = scores[0]
    return {
        "auc": {str(size): scores[size].summary("auc") for size in scores if size},
        "base_rate_auc": auc(test.labels, base),
        "zero_shot_auc": zero.rows[0]["auc"],
        "text": {
            "zero_shot" if not size else str(size): {
                metric: results.summary(metric)
                for metric in ("text_alone_auc", "without_language_model_auc", "log_loss")
            }
            | {
                "over_base_rate": lead(test, results.scores, [base], seed),
                "over_without_language_model": lead(test, results.scores, results.without_vectors, seed),
            }
            for size, results in scores.items()
        },
        "draws": draws,
        "prompts": {"valid": len(valid.prompts), "test": len(test.prompts), "context": len(known)},
        "histories": histories,
        "people": {"test": len(np.unique(people(test.prompts)))},
    }


def tables(results: Mapping[str, Any]) -> str:
    """Return the results as text, AUC in percent."""
    rows = [["base rate alone", f"{100 * results['base_rate_auc']:.2f}", "", "", "", ""]]
    for name, text in results["text"].items():
        scored = results["auc"].get(name, {"mean": results["zero_shot_auc"]})
        spread = f" ± {100 * scored['sd']:.2f}" if "sd" in scored else ""
        rows.append(
            [
                "zero-shot" if name == "zero_shot" else f"{name} examples",
                f"{100 * scored['mean']:.2f}{spread}",
                f"{100 * text['text_alone_auc']['mean']:.2f}",
                f"{100 * text['without_language_model_auc']['mean']:.2f}",
                lead_text(text["over_base_rate"]),
                lead_text(text["over_without_language_model"]),
            ]
        )
    head = ["AUC, %", "ranker", "text alone", "without vectors", "over the base rate", "over no vectors"]
    prompts, of = results["prompts"]["test"], results["people"]["test"]
    head[1] += f", {results['prompts']['context']:,} histories" if results["prompts"]["context"] else ""
    title = f"{prompts:,} prompts of {of:,} people, {results['draws']} draws; leads in AUC, paired"
    return f"{title}\n{table(head, rows)}"


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--data", type=Path, metavar="FOLDER", help=f"default: {SET} of the data folder")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    arguments.add_argument("--seed", type=int, default=7, metavar="N", help="of the draws; default: 7")
    arguments.add_argument(
        "--draws", type=int, default=10, metavar="N", help="per number of labels; default: 10"
    )
    arguments.add_argument(
        "--context", type=Path, metavar="FILE", help="prompts whose histories teach opinions"
    )
    arguments.add_argument("--histories", action="store_true", help="know the undrawn prompts' histories too")
    arguments.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=SIZES,
        metavar="K",
        help="numbers of labels; default: 16 64 256",
    )
    arguments.add_argument("--model", default="minilm", help="a language model, as in [language] model")
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Load, judge, print, write."""
    options = parser().parse_args(arguments)
    if options.draws < 1:
        print(f"expected at least 1 draw, found {options.draws}", file=sys.stderr)
        return 1
    folder = data_root() / SET if options.data is None else options.data
    try:
        encoder = MemoisedEncoder(
            encoder_of(load_model(LanguageSettings(model=options.model), progress=Telling()))
        )
        with measured() as cost:
            results = run(
                folder,
                encoder,
                options.draws,
                options.seed,
                options.context,
                options.histories,
                options.sizes,
            )
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    results |= {"seed": options.seed, "model": options.model, "cost": cost.to_json()}
    results |= {"machine": machine(), "versions": versions()}
    print(tables(results))
    print(f"{cost.seconds:.1f} s, peak memory {cost.peak_mb:,.0f} MiB")
    if options.json is not None:
        write_json(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
