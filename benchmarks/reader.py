"""A heavier reader on the best candidates of a set: what it adds to the order, and what a slate costs.

    POLYSCENE_DATA=FOLDER python benchmarks/reader.py --set amazon_books --json reader.json

The student, the signal `text_ranker` on the language model's vectors as they came, ranks the whole catalogue
for people drawn from the test part. The reader, a cross-encoder over the texts of history and candidate,
looks again at the best of each; so does one whose encoder has half the layers. Both learn from earlier
choices how to judge, and from others how much they count beside the student, as in a training. Nothing is
tuned.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

import prepared  # noqa: F401 - numpy reads it when it loads
from measuring import measured
from polyscene.core.errors import PolysceneError
from polyscene.core.seeds import generator
from polyscene.core.settings.text_ranker import TextRankerSettings
from polyscene.core.types import FloatArray
from polyscene.data.queries import Choices, Queries
from polyscene.data.splits.phases import Phase
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.significance import paired_bootstrap
from polyscene.language.compression.layers import drop_layers
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.model.packed_bert import packed
from polyscene.language.text.cache import EncodingCache, encode_cached
from polyscene.learning.backbone import Backbone
from polyscene.learning.reranker import RerankerTrainer
from polyscene.learning.training_data import ItemVectors, TrainingData
from polyscene.metrics.ranking import mid_ranks, ndcg
from polyscene.project import Project
from polyscene.recommenders.reranker import Reranker
from polyscene.recommenders.text_ranker import TextRanker
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json

CUTOFF, REPEATS = 10, 20

Values = NDArray[np.float64]
Score = Callable[[Queries], FloatArray]


def with_vectors(project: Project, model: LanguageModel) -> TrainingData:
    """Return what may be learned from, every catalogue read by the model as it came."""
    data, cache = project.ground(), EncodingCache()
    read = {
        name: encode_cached(model, scenario.catalogue.text, cache)
        for name, scenario in data.dataset.scenarios.items()
    }
    return replace(data, vectors={name: ItemVectors(each, each, each) for name, each in read.items()})


def readers(
    project: Project, data: TrainingData, name: str, student: TextRanker, options: argparse.Namespace
) -> dict[str, Reranker]:
    """Teach a reader with all layers, and one with half of them."""
    settings = TextRankerSettings(
        reader="pair", top=options.top, history=options.history, examples=options.examples
    )
    language = project.settings.language
    whole = load_model(language, project.base)
    models = {"reader": whole, "reader with half the layers": drop_layers(whole).model}
    evidence, texts = data.evidence(name, Phase.ALL), data.dataset.scenarios[name].catalogue.text
    taught = {}
    for kind, model in models.items():
        trainer = RerankerTrainer(Backbone(language, project.base, model), settings, project.settings.seed)
        one, _ = trainer.trained(name, [student], evidence, texts, data.hide_seen[name], Telling())
        assert one is not None  # there is a text ranker among the signals
        taught[kind] = one
    return taught


def reread(student: Score, reader: Reranker) -> Score:
    """Return the student's scores as the reader deals them out anew."""

    def score(queries: Queries) -> FloatArray:
        scores = student(queries)
        everything = np.broadcast_to(np.arange(scores.shape[1], dtype=np.int32), scores.shape)
        return reader.reorder(scores, everything, queries.history)

    return score


def judged(score: Score, choices: Choices, unseen: bool) -> Values:
    """Return (n,) NDCG@10 of each choice, full ranking."""
    scores = score(choices.queries).copy()
    if unseen:
        rows, items = choices.queries.seen()
        scores[rows, items] = np.where(items == choices.target[rows], scores[rows, items], -np.inf)
    return np.asarray(ndcg(mid_ranks(scores, choices.target), CUTOFF))


def milliseconds(score: Score, choices: Choices) -> float:
    """Return the median time of one request by itself, texts not read before."""
    times = []
    for row in range(min(REPEATS, len(choices))):
        one = choices.queries.pick(np.array([row]))
        start = perf_counter()
        score(one)
        times.append(1000.0 * (perf_counter() - start))
    return float(np.median(times))


def run(project: Project, options: argparse.Namespace) -> dict[str, Any]:
    """Teach, rank, re-read, judge."""
    name = next(iter(project.settings.scenarios))
    model = packed(load_model(project.settings.language, project.base))
    data = with_vectors(project, model)
    student = TextRanker().fit(data.evidence(name, Phase.ALL))
    test = data.folds.test(name).choices
    kept = generator(project.settings.seed, "reader").permutation(len(test))
    timed, asked = test.pick(np.sort(kept[:REPEATS])), test.pick(np.sort(kept[REPEATS:][: options.choices]))
    unseen = data.hide_seen[name]

    def plain(queries: Queries) -> FloatArray:
        return student.prepare(queries).whole()

    taught = readers(project, data, name, student, options)
    ways: dict[str, Score] = {"student": plain} | {kind: reread(plain, one) for kind, one in taught.items()}
    costs = {kind: milliseconds(score, timed) for kind, score in ways.items()}
    values = {kind: judged(score, asked, unseen) for kind, score in ways.items()}
    rows: dict[str, dict[str, float]] = {}
    for kind, each in values.items():
        gap = paired_bootstrap(each, values["student"], asked.queries.user, seed=project.settings.seed)
        rows[kind] = {
            "ndcg@10": float(each.mean()),
            "over_student": gap.mean,
            "low": gap.low,
            "high": gap.high,
        }
        rows[kind] |= {"milliseconds": costs[kind]}
        if kind in taught:
            rows[kind] |= {"own_weight": taught[kind].student, "trust": taught[kind].trust}
    return {"set": name, "choices": len(asked), "top": options.top, "rows": rows}


def tables(results: Mapping[str, Any]) -> str:
    """Return the results as text."""
    rows = [
        [
            kind,
            f"{row['ndcg@10']:.4f}",
            f"{row['over_student']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]",
            f"{row['milliseconds']:.1f}",
            f"{row['trust']:.2f} beside {row['own_weight']:.2f}" if "trust" in row else "",
        ]
        for kind, row in results["rows"].items()
    ]
    title = f"{results['set']}: {results['choices']:,} test choices, the student's best {results['top']} read"
    return f"{title}\n{table(['', 'NDCG@10', 'over the student', 'ms a slate', 'weight'], rows)}"


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(arguments)
    arguments.add_argument("--choices", type=int, default=300, metavar="N", help="judged; default: 300")
    arguments.add_argument(
        "--examples", type=int, default=1000, metavar="N", help="learned from; default: 1,000"
    )
    arguments.add_argument(
        "--top", type=int, default=20, metavar="N", help="read of each request; default: 20"
    )
    arguments.add_argument("--history", type=int, default=5, metavar="N", help="past items told; default: 5")
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, write."""
    options = parser().parse_args(arguments)
    try:
        with measured() as cost:
            results = run(chosen_project(options, Telling()), options)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    results |= {"cost": cost.to_json(), "machine": machine(), "versions": versions()}
    print(tables(results))
    print(f"{cost.seconds:.0f} s")
    if options.json is not None:
        write_json(options.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
