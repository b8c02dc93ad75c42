"""One item's text stuffed with other items' words: how far its rank moves, with and without the defence.

    python benchmarks/attack.py --json attack.json
    python benchmarks/attack.py --set amazon_beauty --json beauty.json
    python benchmarks/attack.py --data FOLDER --items 50 --users 500 --seed 7

Without a set or a folder, the sample world is taken. Items that few have found are attacked one by one, and
ranked by the content signal among all others for users who have something in their history and do not have
the item. The audience of an attack are those of them who have an item whose words it takes. The language
model is taken as it came, or, with --tuned, as the project tunes it on what may be learned from; the defence
is that of `polyscene.language.text.keyword_stuffing`, which `[language] reach` turns on. Its price is the
content signal's NDCG@10 over all choices of the test part, without any attack. "in front" writes the
foreign words before the item's own: that text is another item's from its first word on, which no bound on the
rest of it can hold.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import prepared  # noqa: F401 - numpy reads it when it loads
from measuring import measured
from polyscene.core.errors import ConfigError, DataError, PolysceneError, Problem
from polyscene.core.seeds import generator
from polyscene.core.threads import set_threads
from polyscene.core.types import BoolArray, FloatArray, LongArray
from polyscene.data.queries import Choices, Histories, Queries
from polyscene.data.splits.availability import available
from polyscene.data.splits.phases import Phase
from polyscene.data.splits.repeats import repeated
from polyscene.evaluation.provenance import machine, versions
from polyscene.evaluation.significance import paired_bootstrap
from polyscene.language.model.loading import load_model
from polyscene.language.model.packed_bert import packed
from polyscene.language.text.cache import EncodingCache, encode_cached
from polyscene.language.text.encoding import encode
from polyscene.language.text.keyword_stuffing import Encode, bounded_vectors
from polyscene.learning.language import tune_language
from polyscene.metrics.ranking import mid_ranks, ndcg
from polyscene.project import Project
from polyscene.recommenders.content import Content
from polyscene.representation.item_space import ItemSpace
from polyscene.representation.items import common_mean, unit
from polyscene.sample.world import SampleWorld
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json
from text_attacks import Attack, Scene, attacks_on

Ranks = NDArray[np.float64]

PRICED = 5000
BLOCK = 256
STEPS = ("before", "attack", "defence_before", "defence")


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(arguments)
    arguments.add_argument("--items", type=int, default=50, metavar="N", help="attacked per scenario (50)")
    arguments.add_argument(
        "--users", type=int, default=1000, metavar="N", help="who are asked, per scenario (1000)"
    )
    arguments.add_argument(
        "--reach", type=float, metavar="DEGREES", help="of the defence, 0 to 180 (the usual one)"
    )
    arguments.add_argument(
        "--tuned", action="store_true", help="tune the language model first, as configured"
    )
    arguments.add_argument("--cache", type=Path, metavar="FOLDER", help="where encoded texts are kept")
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Attack, defend, print, write."""
    options = parser().parse_args(arguments)
    try:
        opened = _project(options)
        with measured() as cost:
            scenarios = {
                scene.name: attacked(scene, encode, options.items, options.users, opened.settings.seed)
                for scene, encode in scenes(opened, options.reach, options.tuned, options.work)
            }
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    results = {"project": opened.settings.name, "seed": opened.settings.seed, "scenarios": scenarios}
    for name, result in scenarios.items():
        print(shown_result(name, result))
    if options.json is not None:
        write_json(
            options.json, {**results, "cost": cost.to_json(), "machine": machine(), "versions": versions()}
        )
    return 0


def _project(options: argparse.Namespace) -> Project:
    """Open what was named; the sample world where nothing was."""
    if min(options.items, options.users) < 1:
        expected, actual = "at least 1", f"--items {options.items} --users {options.users}"
        raise ConfigError(Problem("nothing to attack", expected, actual, "leave both out"))
    if options.reach is not None and not 0 <= options.reach <= 180:
        expected, actual = "0 to 180 degrees", f"--reach {options.reach}"
        raise ConfigError(
            Problem("there is no such reach", expected, actual, "leave it out for the usual one")
        )
    if not (options.name or options.data or options.config):
        options.config = SampleWorld.generate().write(options.work / "sample")
    return chosen_project(options, Telling(), options.cache)


def scenes(opened: Project, degrees: float | None, tuned: bool, work: Path) -> Iterator[tuple[Scene, Encode]]:
    """Read every scenario's texts, with the defence and without."""
    settings, data, progress = opened.settings, opened.dataset, opened.progress
    reach = None if degrees is None else math.radians(degrees)
    set_threads(settings.runtime.threads)
    model = load_model(settings.language, opened.base, progress)
    cache = settings.runtime.cache
    store = EncodingCache(None if cache is None else opened.base / cache, progress)
    ground, models = opened.ground(), dict.fromkeys(data.scenarios, model)
    batch_tokens = settings.language.batch_tokens
    untaught: Encode = partial(encode_cached, packed(model), cache=store, batch_tokens=batch_tokens)
    if tuned:
        models |= tune_language(
            dict.fromkeys(ground.dataset.scenarios, model), ground, settings, work / "tuning", store, progress
        ).models
    for name, scenario in data.scenarios.items():
        read = untaught
        if tuned:  # this model will not be met again
            read = partial(encode, packed(models[name]), batch_tokens=batch_tokens)
        items, learned = scenario.catalogue, ground.folds.learned(name, Phase.ALL)
        space = ItemSpace.of(untaught(items.text))
        decay = replace(ground.evidence(name, Phase.ALL), space=space).decay
        repeats = settings.scenarios[name].repeats
        scene = Scene(
            name,
            items,
            read(items.text),
            bounded_vectors(items.text, read, reach=reach),
            ground.folds.test(name, settings.seed).choices,
            np.bincount(learned.item, minlength=len(items)),
            available(items.since, learned),
            not (repeated(learned) if repeats is None else repeats),
            decay,
        )
        yield scene, read


def attacked(scene: Scene, encode: Encode, items: int, users: int, seed: int) -> dict[str, Any]:
    """Attack a scenario's least found items one by one, in every way; return ranks and the price."""
    stream = generator(seed, "attack", scene.name)
    victims = _victims(scene, items, stream)
    asked = _asked(scene.choices.queries, users, stream)
    attacks = attacks_on(scene, victims)
    hostile = {name: _written(attack, scene, victims, encode) for name, attack in attacks.items()}
    plain = _ranks(
        scene, scene.plain, [scene.plain[victims], *(one for one, _ in hostile.values())], victims, asked
    )
    held = _ranks(
        scene,
        scene.bounded.vectors,
        [scene.bounded.vectors[victims], *(two for _, two in hostile.values())],
        victims,
        asked,
    )
    kinds = {}
    for place, (name, attack) in enumerate(attacks.items(), 1):
        audience = _audience(asked.history, attack.taken, len(scene.catalogue))
        kinds[name] = {
            "before": _standing(plain[0], audience),
            "attack": _standing(plain[place], audience),
            "defence_before": _standing(held[0], audience),
            "defence": _standing(held[place], audience),
        }
    return {
        "items": len(scene.catalogue),
        "attacked": len(victims),
        "users": len(asked),
        "attacks": kinds,
    } | _price(scene, seed)


def _victims(scene: Scene, most: int, stream: np.random.Generator) -> LongArray:
    """Draw from the half of the items with words that the fewest have found."""
    with_text = np.flatnonzero(np.any(scene.plain != 0, axis=1))
    if len(with_text) < 2:
        expected, actual = f"at least 2 items with words in scenario '{scene.name}'", str(len(with_text))
        raise DataError(Problem("nothing to attack", expected, actual, "name columns with words in 'text'"))
    order = with_text[stream.permutation(len(with_text))]
    unfound = order[np.argsort(scene.popularity[order], kind="stable")][: (len(order) + 1) // 2]
    return np.sort(stream.choice(unfound, min(most, len(unfound)), replace=False))


def _asked(queries: Queries, most: int, stream: np.random.Generator) -> Queries:
    """Draw users who have something in their history, each at one request."""
    _, first = np.unique(queries.user, return_index=True)
    able = first[queries.history.lengths[first] > 0]
    return queries.pick(np.sort(stream.choice(able, min(most, len(able)), replace=False)))


def _written(
    attack: Attack, scene: Scene, victims: LongArray, encode: Encode
) -> tuple[FloatArray, FloatArray]:
    """Return (m, d) vectors of the hostile texts, plain and under the defence."""
    items, known = scene.catalogue, scene.bounded
    texts = [attack.write(items.text[one], words) for one, words in zip(victims, attack.words, strict=True)]
    held = bounded_vectors(texts, encode, reach=known.reach, lead_chars=known.lead_chars)
    return encode(texts), held.vectors


def _ranks(
    scene: Scene, vectors: FloatArray, hostile: Sequence[FloatArray], victims: LongArray, asked: Queries
) -> list[Ranks]:
    """Return, for each (m, d) of `hostile`, the (B, m) ranks of the victims; NaN where the user has the item.

    Each victim is ranked as if it alone had changed: all other items, and the mean, are the honest ones.
    """
    signal = _content(vectors, scene.decay)
    mean = common_mean(vectors)
    changed = unit((np.concatenate(hostile) - mean).astype(np.float32))  # (k * m, d)
    own = np.tile(victims, len(hostile))  # (k * m,)
    blocks = []
    for _, queries in asked.blocks(BLOCK):
        scores, has = signal.score(queries), _had(queries.history, len(vectors))  # (B, n)
        scores[has & scene.removed] = -np.inf
        mine = signal.users(queries) @ changed.T  # (B, k * m)
        before = scores[:, own]
        scores.sort(axis=1)
        above = np.stack(
            [len(row) - np.searchsorted(row, one, "right") for row, one in zip(scores, mine, strict=True)]
        )
        level = np.stack(
            [len(row) - np.searchsorted(row, one, "left") for row, one in zip(scores, mine, strict=True)]
        )
        rank = 1.0 + (above - (before > mine) + level - (before >= mine)) / 2.0
        blocks.append(np.where(has[:, own], np.nan, rank))
    return np.split(np.concatenate(blocks), len(hostile), axis=1)


def _content(vectors: FloatArray, decay: float) -> Content:
    """Return the content signal over (n, d) vectors as the language model gives them."""
    signal = Content(space=ItemSpace.of(vectors))
    signal.decay = decay
    return signal


def _had(history: Histories, n_items: int) -> BoolArray:
    """Return (B, n_items), whether each user has each item."""
    has = np.zeros((len(history), n_items), np.bool_)
    has[history.rows, history.items] = True
    return has


def _audience(history: Histories, taken: Sequence[LongArray], n_items: int) -> BoolArray:
    """Return (B, m), whether each user has an item whose words each victim took."""
    has = _had(history, n_items)
    return np.stack([has[:, items].any(axis=1) for items in taken], axis=1)


def _standing(ranks: Ranks, audience: BoolArray) -> dict[str, Any]:
    return {"everyone": _summary(ranks), "audience": _summary(np.where(audience, ranks, np.nan))}


def _summary(ranks: Ranks) -> dict[str, float] | None:
    """Return median rank and shares of lists of 10 and 100 over all pairs; None where there is none."""
    kept = ranks[~np.isnan(ranks)]
    if not len(kept):
        return None
    return {
        "pairs": len(kept),
        "median_rank": float(np.median(kept)),
        "top10": float(np.mean(kept <= 10)),
        "top100": float(np.mean(kept <= 100)),
    }


def _price(scene: Scene, seed: int) -> dict[str, Any]:
    """Return what the defence is, and what it costs honest items."""
    bounded = scene.bounded
    stream = generator(seed, "attack", scene.name, "price")
    rows = stream.permutation(len(scene.choices))[:PRICED]
    choices = scene.choices.pick(np.sort(rows))
    plain, held = (_ndcg(scene, vectors, choices) for vectors in (scene.plain, bounded.vectors))
    lost = paired_bootstrap(held, plain, choices.queries.user, seed=seed)
    has_text = np.any(scene.plain != 0, axis=1)
    kept = np.einsum("nd,nd->n", scene.plain[has_text], bounded.vectors[has_text])
    return {
        "defence": {
            "reach_degrees": math.degrees(bounded.reach),
            "least_cosine_to_beginning": math.cos(bounded.reach),
            "most_score_gained": 2 * math.sin(bounded.reach / 2),
            "lead_chars": bounded.lead_chars,
            "held_back": len(bounded.held_back) / max(int(has_text.sum()), 1),
        },
        "price": {
            "choices": len(choices),
            "ndcg@10": float(plain.mean()),
            "ndcg@10_defended": float(held.mean()),
            "difference": {"mean": lost.mean} | ({"low": lost.low, "high": lost.high} if lost.known else {}),
            "cosine_mean": float(kept.mean()),
            "cosine_p05": float(np.quantile(kept, 0.05)),
            "cosine_least": float(kept.min()),
        },
    }


def _ndcg(scene: Scene, vectors: FloatArray, choices: Choices) -> Ranks:
    """Return (B,) NDCG@10 of the content signal over all items that were there at the time."""
    signal, gains = _content(vectors, scene.decay), []
    for rows, queries in choices.queries.blocks(BLOCK):
        target = choices.target[rows].astype(np.int64)
        open_ = scene.since[None, :] <= queries.time[:, None]
        if scene.removed:
            open_ &= ~_had(queries.history, len(vectors))
        open_[np.arange(len(target)), target] = True
        gains.append(ndcg(mid_ranks(signal.score(queries), target, open_), 10))
    return np.concatenate(gains)


def shown_result(name: str, result: Mapping[str, Any]) -> str:
    """Return the tables of one scenario."""
    defence, price = result["defence"], result["price"]
    reach, chars = defence["reach_degrees"], defence["lead_chars"]
    head = (
        f"{name}: {result['attacked']} of {result['items']:,} items attacked, "
        f"{result['users']:,} users asked; "
        f"a text may turn its item {reach:.1f} degrees from what its first {chars} characters say"
    )
    rows = [
        [f"{kind}; {who}", *(_cell(steps[step][who]) for step in STEPS)]
        for kind, steps in result["attacks"].items()
        for who in ("everyone", "audience")
        if steps["attack"][who]
    ]
    columns = ["median rank, top 10, top 100", "before", "attack", "defended", "attack, defended"]
    cost = (
        f"price: NDCG@10 {price['ndcg@10']:.4f}, defended {price['ndcg@10_defended']:.4f} over "
        f"{price['choices']:,} choices; cosine to the plain vector {price['cosine_mean']:.4f} on average, "
        f"{price['cosine_least']:.3f} at least"
    )
    return "\n".join([head, table(columns, rows), cost, ""])


def _cell(summary: Mapping[str, float]) -> str:
    return f"{summary['median_rank']:,.0f} {summary['top10']:7.2%} {summary['top100']:7.2%}"


if __name__ == "__main__":
    sys.exit(main())
