"""How an item moves when bots push it, what setting it back does, and how far a posterior is from a refit.

    python benchmarks/movement.py --set movietweetings --json movement.json
    python benchmarks/movement.py --set stackexchange_travel --days 1 8 64

The posterior alone learns the first half of the events. Then bots, a hundredth of the people, choose one item
that hardly anybody knows `--pushes` times each, from the second day of the stream to its eighth, among the
honest events. The item is watched: where it stands, and its rank for 200 people, before, in the midst of it
and after it, after it was set back to the second day, and a week later. Beside it stands the same without
bots.

Then the honest stream is learned event by event, and after some days all that was learned is fitted anew at
once: how far the two are apart, and how far two refits are apart that differ in their draws alone.
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
from polyscene.core.seeds import generator
from polyscene.data.queries import Queries
from polyscene.data.schema import EventLog
from polyscene.evaluation.provenance import machine, versions
from polyscene.metrics.ranking import mid_ranks
from polyscene.recommenders.posterior.item_beliefs import ItemBeliefs
from polyscene.recommenders.posterior.movement import Ledger, Watched
from polyscene.recommenders.posterior.posterior import Posterior
from polyscene.recommenders.posterior.refit import refit_distance
from polyscene.recommenders.signal import Evidence
from posterior import ASKED, BOT_SHARE, asked, copy_of, evidence_of, followed, pushing
from posterior_stream import Stream, cut
from projects import add_project_arguments
from showing import table, write_json

BEGIN, END, LATER = 1, 8, 15
"""When the bots begin and end, and when the item is looked at for the last time, in days after the cut."""
HEAD = ("", "distance from its text", "bias", "median rank", "in the top 10")


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(arguments)
    arguments.add_argument("--pushes", type=int, default=20, help="choices of each bot (20)")
    arguments.add_argument(
        "--days", type=int, nargs="+", default=[1, 4, 16, 64], help="of the stream, after which to refit"
    )
    arguments.set_defaults(people=1.0, stream=None, development=False, choices=0)
    return arguments


class Scene:
    """One unknown item, some people who are asked, and what comes after the cut."""

    def __init__(self, stream: Stream, past: Evidence, pushes: int, seed: int) -> None:
        counts = np.bincount(past.positive.item, minlength=past.n_items)
        draws, self.start = generator(seed, "movement"), int(stream.rest.time[0])
        self.item = int(draws.choice(np.flatnonzero(counts == counts[counts > 0].min())))
        span = int(stream.rest.time[-1]) + 1 - self.start
        day = min(DAY, span // LATER)  # of a shorter stream a fifteenth
        self.begin, self.end = self.start + BEGIN * day, self.start + END * day
        self.honest = between(stream.rest, self.start, self.start + LATER * day)
        people = np.unique(self.honest.user)
        self.bots = max(1, round(BOT_SHARE * len(people)))
        self.people = len(people)
        self.queries: Queries = asked(draws.permutation(people)[:ASKED].astype(np.int64))
        week = between(self.honest, self.begin, self.end)
        names = past.n_users + np.arange(self.bots)
        hostile = pushing(week, self.item, names, pushes, draws)
        self.before, self.attack = between(self.honest, self.start, self.begin), hostile
        self.after = between(self.honest, self.end, self.start + LATER * day)

    def standing(self, signal: Watched) -> dict[str, float]:
        """Return where the item stands."""
        place, scores = signal.place(), signal.score(self.queries)
        assert place is not None
        everything = np.ones(scores.shape, np.bool_)
        ranks = mid_ranks(scores, np.full(len(scores), self.item), everything)
        top = float(np.mean(ranks <= 10))
        return {
            "distance": place.distance,
            "bias": place.bias,
            "median": float(np.median(ranks)),
            "top10": top,
        }


def between(events: EventLog, start: int, stop: int) -> EventLog:
    """Return the events from a moment on, before another."""
    return events.take((events.time >= start) & (events.time < stop))


def pushed(scene: Scene, signal: Posterior) -> dict[str, Any]:
    """Let bots push the item, and set it back."""
    watched = Watched.of(copy_of(signal), lambda: scene.item, Ledger())
    followed(watched, scene.before)
    steps, then = {"before the bots": scene.standing(watched)}, ItemBeliefs.of(watched, scene.item)
    watched.ledger = Ledger()
    middle = (scene.begin + scene.end) // 2
    followed(watched, between(scene.attack, 0, middle))
    steps["in the midst of it"] = scene.standing(watched)
    followed(watched, between(scene.attack, middle, scene.end))
    steps["after it"] = scene.standing(watched)
    ledger, watched.ledger = watched.ledger, Ledger()
    then.put_into(watched, scene.item)
    steps["set back"] = scene.standing(watched)
    followed(watched, scene.after)
    steps["set back, a week later"] = scene.standing(watched)
    honest = Watched.of(copy_of(signal), lambda: scene.item, Ledger())
    followed(honest, scene.honest)
    steps["without bots, then"] = scene.standing(honest)
    paths = {kind.value: {"moves": one.moves, "path": one.path} for kind, one in ledger.kinds.items()}
    return {"steps": steps, "kinds": paths, "people": len(ledger.people)}


def drifting(stream: Stream, past: Evidence, signal: Posterior, days: Sequence[int]) -> list[dict[str, Any]]:
    """Return how far a posterior that learns the stream is from a refit, after some days of it."""
    live, start, rows = copy_of(signal), int(stream.rest.time[0]), []
    reached = start
    for day in sorted(days):
        followed(live, between(stream.rest, reached, start + day * DAY))
        reached = start + day * DAY
        events = joined(past.events, between(stream.rest, start, reached))
        begin = time.perf_counter()
        distance = refit_distance(live, replace(past, events=events))
        rows.append(
            {
                "day": day,
                "events": len(events),
                "slates": distance.live.slates,
                "by_chance": distance.by_chance.slates,
                "items": distance.live.items,
                "items_by_chance": distance.by_chance.items,
                "half_life": distance.half_life,
                "refit_half_life": distance.refit_half_life,
                "seconds": time.perf_counter() - begin,
            }
        )
    return rows


def joined(one: EventLog, other: EventLog) -> EventLog:
    """Return the events of two logs of the same columns, the first one's first."""
    rows = np.concatenate([np.arange(len(one)), np.zeros(len(other), np.int64)])
    together, more = one.take(rows), slice(len(one), None)
    for name in ("user", "item", "action", "value", "weight", "time", "part", "choice"):
        getattr(together, name)[more] = getattr(other, name)
    return together


def main(arguments: Sequence[str] | None = None) -> int:
    """Push, set back, refit, print, write."""
    options = parser().parse_args(arguments)
    try:
        stream = cut(options)
        with measured() as cost:
            past, seed = evidence_of(stream), stream.project.settings.seed
            signal, scene = Posterior().fit(past), Scene(stream, past, options.pushes, seed)
            report: dict[str, Any] = {
                "project": stream.project.settings.name,
                "items": past.n_items,
                "bots": scene.bots,
                "people": scene.people,
                "pushes": options.pushes,
                "attack": pushed(scene, signal),
                "refits": drifting(stream, past, signal, options.days),
            }
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
    attack = report["attack"]
    steps = [
        [
            name,
            f"{one['distance']:.3f}",
            f"{one['bias']:+.3f}",
            f"{one['median']:,.0f}",
            f"{one['top10']:.1%}",
        ]
        for name, one in attack["steps"].items()
    ]
    moves = ", ".join(
        f"{name} {one['moves']:,} moves of {one['path']:.2f} in all"
        for name, one in attack["kinds"].items()
        if one["moves"]
    )
    refits = [
        [
            f"{row['day']}",
            f"{row['events']:,}",
            f"{row['slates']:.3f}",
            f"{row['by_chance']:.3f}",
            f"{row['items']:.4f}",
            f"{row['items_by_chance']:.4f}",
            f"{row['half_life']:g} / {row['refit_half_life']:g}",
            f"{row['seconds']:.1f}",
        ]
        for row in report["refits"]
    ]
    head = ["days", "events", "slates apart", "by chance", "items apart", "by chance", "half-lives", "s"]
    return "\n".join(
        [
            f"{report['project']}: {report['bots']} bots beside {report['people']:,} people, "
            f"{report['pushes']} choices each, of one of {report['items']:,} items",
            table(HEAD, steps),
            f"moves in the week of the bots: {moves}",
            table(head, refits),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
