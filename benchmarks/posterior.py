"""What the posterior is worth: in a stream, in the whole, joined from replicas, and pushed by bots.

    python benchmarks/posterior.py --set online_retail --json posterior.json
    python benchmarks/posterior.py --set movietweetings --development --tuning none --choices 500

The first half of the events is learned, with the posterior among the signals and without. The rest comes in
time order: a moment of a user is ranked first, over the whole catalogue, then learned. At most `--choices` of
the choices are ranked, of moments evenly spread; all are learned. `--stream N` stops after so many events.
`--development` forgets the second half of all events before anything is done: for choosing between variants.

Then, with the posterior alone: processor microseconds of an event; two replicas that learned the stream of
half of the users each, joined, beside one that learned all of it and beside one that learned all of it with
other draws; and bots, a hundredth of the people, who choose one unknown item `--pushes` times each within the
first week, against the limits of `[signals.posterior]` and without any.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from measuring import measured
from polyscene.core.clock import DAY
from polyscene.core.errors import PolysceneError
from polyscene.core.seeds import derived, generator
from polyscene.core.types import BoolArray, FloatArray, LongArray
from polyscene.data.queries import LATEST, Histories, Queries
from polyscene.data.schema import EventLog
from polyscene.data.splits.availability import available
from polyscene.evaluation.provenance import machine, versions
from polyscene.language.model.loading import load_model
from polyscene.language.model.packed_bert import packed
from polyscene.language.text.cache import EncodingCache, encode_cached
from polyscene.metrics.ranking import mid_ranks
from polyscene.recommenders.abilities import Observation
from polyscene.recommenders.posterior.merging import divergence, merge
from polyscene.recommenders.posterior.posterior import Posterior
from polyscene.recommenders.posterior.settings import PosteriorSettings
from polyscene.recommenders.signal import Evidence
from polyscene.representation.item_space import ItemSpace
from posterior_stream import NAME, Stream, cut, quality
from projects import add_project_arguments
from showing import table, write_json

ASKED = 200
"""So many users are asked when replicas and ranks are compared."""
NO_LIMIT = 1e9
BOT_SHARE = 0.01
WEEK = 7 * DAY
PARTS = ("alone", "whole")


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(arguments)
    arguments.add_argument("--choices", type=int, default=2000, help="at most so many are ranked (2000)")
    arguments.add_argument("--stream", type=int, help="events after the first half; default: all")
    arguments.add_argument("--pushes", type=int, default=20, help="choices of each bot (20)")
    arguments.add_argument("--development", action="store_true", help="forget the second half of all events")
    arguments.add_argument("--tuning", help="another method than the configured one, such as none")
    arguments.add_argument("--people", type=float, default=1.0, help="share of the users (1.0)")
    arguments.add_argument("--part", choices=PARTS, nargs="+", default=PARTS, help="default: both")
    return arguments


def evidence_of(stream: Stream) -> Evidence:
    """Return what the posterior learns from before the stream, texts read by the model as it came."""
    past, project = stream.past.scenarios[stream.scenario], stream.project
    cache = project.settings.runtime.cache
    store = EncodingCache(None if cache is None else project.base / cache, project.progress)
    model = load_model(project.settings.language, project.base, project.progress)
    batch_tokens = project.settings.language.batch_tokens
    vectors = encode_cached(packed(model), past.catalogue.text, cache=store, batch_tokens=batch_tokens)
    n_users, space = len(stream.past.users), ItemSpace.of(vectors)
    since = available(past.catalogue.since, past.events)
    seed = project.settings.seed
    return Evidence(past.events, n_users, len(past.catalogue), space, since, "time", seed=seed)


def followed(signal: Posterior, events: EventLog) -> float:
    """Let a posterior take events in as a service does; return processor microseconds of each."""
    counts: dict[tuple[int, int], int] = {}
    observations = []
    for row in np.flatnonzero(events.weight > 0).tolist():
        user, item = int(events.user[row]), int(events.item[row])
        earlier = counts[user, item] = counts.get((user, item), -1) + 1
        one = Observation.alone(user, item, int(events.time[row]), float(events.weight[row]))
        one.past = np.full(earlier, item, np.int32)
        observations.append(one)
    start = time.process_time()
    for one in observations:
        signal.observe(one)
    return (time.process_time() - start) / max(len(observations), 1) * 1e6


def copy_of(signal: Posterior, seed: int | None = None) -> Posterior:
    """Return a replica; with a seed, one that draws others to compare with."""
    replica = Posterior(signal.settings).restore(
        {name: array.copy() for name, array in signal.state().items()}, signal.space, {}
    )
    if seed is not None:
        replica.stream.counts[2] = derived(seed, NAME, "other draws")
    return replica


def asked(users: LongArray) -> Queries:
    """Return requests of users; the posterior looks at nothing else."""
    nothing = Histories.of([[]] * len(users))
    return Queries(users.astype(np.int32), np.full(len(users), LATEST), nothing)


def merging(signal: Posterior, stream: Stream, seed: int) -> dict[str, Any]:
    """Return how far replicas are from one that learned everything."""
    events = stream.rest
    half: BoolArray = generator(seed, "replicas").random(len(stream.past.users)) < 0.5
    one, other, whole, redrawn = copy_of(signal), copy_of(signal), copy_of(signal), copy_of(signal, seed)
    followed(one, events.take(half[events.user]))
    followed(other, events.take(~half[events.user]))
    followed(redrawn, events)
    cost = followed(whole, events)
    both = merge(signal, one, other)
    users = np.unique(events.user)
    queries = asked(generator(seed, "asked").permutation(users)[:ASKED].astype(np.int64))
    expected = whole.score(queries)
    replicas = {"before": signal, "one half": one, "merged": both, "other draws": redrawn}
    rows = {name: _distances(replica, whole, queries, expected) for name, replica in replicas.items()}
    return {"observe_us": cost, "events": len(events), "distances": rows}


def _distances(
    signal: Posterior, whole: Posterior, queries: Queries, expected: FloatArray
) -> dict[str, float]:
    scores = signal.score(queries)
    best, right = (np.argsort(-one, axis=1)[:, :10] for one in (scores, expected))
    overlap = [len(set(a.tolist()) & set(b.tolist())) / 10 for a, b in zip(best, right, strict=True)]
    at_once = signal.items_at(whole.priors, whole.latest)
    return {
        "score": float(np.sqrt(np.mean((scores - expected) ** 2)) / expected.std()),
        "top10": float(np.mean(overlap)),
        "nats": float(divergence(at_once, whole.items_now()).mean()),
    }


def attack(stream: Stream, past: Evidence, pushes: int, seed: int) -> dict[str, Any]:
    """Return the median rank of an unknown item before and after bots push it, with limits and without."""
    counts = np.bincount(past.positive.item, minlength=past.n_items)
    draws = generator(seed, "bots")
    pushed = int(draws.choice(np.flatnonzero(counts == counts[counts > 0].min())))
    events = stream.rest.take(stream.rest.time < stream.rest.time[0] + WEEK)
    people = np.unique(events.user)
    bots = max(1, round(BOT_SHARE * len(people)))
    queries = asked(draws.permutation(people)[:ASKED].astype(np.int64))
    hostile = pushing(events, pushed, past.n_users + np.arange(bots), pushes, draws)
    free = PosteriorSettings(event_limit=NO_LIMIT, burst_limit=NO_LIMIT, repeats=NO_LIMIT)
    ranks = {}
    for name, settings in (("limits", PosteriorSettings()), ("no limits", free)):
        fitted = Posterior(settings).fit(past)
        for what, came in (("honest", events), ("attacked", hostile)):
            signal = copy_of(fitted)
            followed(signal, came)
            ranks[f"{name}, {what}"] = _standing(signal.score(queries), pushed)
    return {"bots": bots, "people": len(people), "pushes": pushes, "items": past.n_items, "ranks": ranks}


def pushing(
    events: EventLog, item: int, bots: LongArray, pushes: int, draws: np.random.Generator
) -> EventLog:
    """Return the events with those of the bots among them."""
    times = draws.integers(events.time[0], events.time[-1] + 1, len(bots) * pushes)
    rows = np.concatenate([np.arange(len(events)), np.zeros(len(times), np.int64)])
    mixed = events.take(rows)
    theirs = slice(len(events), None)
    mixed.user[theirs], mixed.item[theirs], mixed.time[theirs] = np.repeat(bots, pushes), item, times
    mixed.weight[theirs] = 1.0
    return mixed.take(np.argsort(mixed.time, kind="stable"))


def _standing(scores: FloatArray, item: int) -> dict[str, float]:
    ranks = mid_ranks(scores, np.full(len(scores), item), np.ones(scores.shape, np.bool_))
    return {"median": float(np.median(ranks)), "top10": float(np.mean(ranks <= 10))}


def fitting_us(past: Evidence, half_life: float) -> float:
    """Return processor microseconds of an event in a fit with a half-life that is known."""
    signal = Posterior(PosteriorSettings(half_lives=(half_life,)))
    signal.fit(replace(past, events=past.events.take(np.arange(min(1000, len(past.events))))))  # compiled now
    start = time.process_time()
    signal.fit(past)
    return (time.process_time() - start) / max(len(past.positive), 1) * 1e6


def alone(stream: Stream, pushes: int) -> dict[str, Any]:
    """Return what is measured of the posterior without the whole system."""
    past, seed = evidence_of(stream), stream.project.settings.seed
    signal = Posterior().fit(past)
    return {
        "half_life": signal.half_life,
        "fit_us": fitting_us(past, signal.half_life),
        "replicas": merging(signal, stream, seed),
        "attack": attack(stream, past, pushes, seed),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, stream, join, attack, print, write."""
    options = parser().parse_args(arguments)
    try:
        stream = cut(options)
        report: dict[str, Any] = {
            "project": stream.project.settings.name,
            "development": options.development,
            "people": options.people,
        }
        with measured() as cost:
            if "alone" in options.part:
                report["alone"] = alone(stream, options.pushes)
            if "whole" in options.part:
                report["whole"] = quality(stream, options)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    print(shown_report(report))
    if options.json is not None:
        report |= {"cost": cost.to_json(), "machine": machine(), "versions": versions()}
        write_json(options.json, report)
    return 0


def shown_report(report: dict[str, Any]) -> str:
    """Return the tables."""
    parts = [str(report["project"])]
    if "alone" in report:
        parts += shown_alone(report["alone"])
    if "whole" in report:
        values = report["whole"]
        lead = values["difference"]
        bounds = f" [{lead['low']:+.4f}, {lead['high']:+.4f}]" if "low" in lead else ""
        signals = sorted(values["alone"].items(), key=lambda pair: -pair[1])
        rows = [["whole, with", f"{values['with']:.4f}"], ["whole, without", f"{values['without']:.4f}"]]
        parts += [
            f"{values['choices']:,} choices ranked; with - without {lead['mean']:+.4f}{bounds}",
            table(["NDCG@10", "mean"], rows + [[name, f"{value:.4f}"] for name, value in signals]),
        ]
    return "\n".join(parts)


def shown_alone(values: dict[str, Any]) -> list[str]:
    """Return the tables of the posterior without the whole."""
    replicas, bots = values["replicas"], values["attack"]
    near = [
        [name, f"{row['score']:.3f}", f"{row['top10']:.3f}", f"{row['nats']:.3f}"]
        for name, row in replicas["distances"].items()
    ]
    ranks = [[name, f"{row['median']:,.0f}", f"{row['top10']:.1%}"] for name, row in bots["ranks"].items()]
    return [
        f"half-life of a bias {values['half_life']:g} days; processor µs of an event: {values['fit_us']:.1f} "
        f"in a fit, {replicas['observe_us']:.1f} live ({replicas['events']:,} events)",
        table(["against all learned together", "score, RMS in spreads", "same top 10", "nats an item"], near),
        f"{bots['bots']} bots beside {bots['people']:,} people, {bots['pushes']} choices each",
        table([f"rank of the item among {bots['items']:,}", "median", "in the top 10"], ranks),
    ]


if __name__ == "__main__":
    sys.exit(main())
