"""How every peer is run: read the exported folds, choose settings on validation, fit again, rank, write.

    PEER/bin/python benchmarks/peers/implicit_als.py --fold FOLDER --json als.json --seed 7

Runs in the peer's own environment, so it knows numpy only. Settings are chosen by NDCG@10 on the choices of
the validation part, after fitting on what came before it; the winner is fitted again on both, which is also
how Polyscene's fusion learns. The test part is looked at once, at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from ranking import mid_ranks, per_choice, row_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measuring import Cost, measured

BLOCK = 256
"""Requests scored at a time."""
JUDGED = 2000
"""So many validation choices tell settings apart."""
CUTOFF = 10

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float32]
Settings: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Learn:
    """What may be learned from: one row per event, ordered by time; items and users are codes."""

    user: Ints
    item: Ints
    time: Ints
    weight: Floats
    n_users: int
    n_items: int


@dataclass(frozen=True)
class Requests:
    """Who asks, and what they had done by then, oldest first.

    Row r's items are `items[offsets[r]:offsets[r + 1]]`.
    """

    user: Ints
    time: Ints
    offsets: Ints
    items: Ints

    def __len__(self) -> int:
        return len(self.user)

    @property
    def rows(self) -> Ints:
        """Return (m,) the row of each past item."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def pick(self, rows: Ints) -> Requests:
        """Return the named requests, in their order."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        at = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return Requests(self.user[rows], self.time[rows], offsets, self.items[at])


@dataclass(frozen=True)
class Fold:
    """One step of fitting and ranking.

    Attributes:
        since: (n,) when each item could first be chosen; looked at where times are moments.
        slices: masks (B,) by name; empty for validation.
    """

    learn: Learn
    requests: Requests
    target: Ints
    since: Ints | None
    hide_seen: bool
    slices: Mapping[str, NDArray[np.bool_]]

    def open(self, rows: Ints) -> NDArray[np.bool_]:
        """Return (B, n) which items may be shown; the chosen one always is."""
        asked = self.requests.pick(rows)
        mask = np.ones((len(rows), self.learn.n_items), bool)
        if self.since is not None:
            mask &= self.since <= asked.time[:, None]
        if self.hide_seen:
            mask[asked.rows, asked.items] = False
        mask[np.arange(len(rows)), self.target[rows]] = True
        return mask


class Model(Protocol):
    """A fitted peer."""

    def score(self, requests: Requests) -> Floats:
        """Return (B, n_items) finite scores, larger is better."""
        ...


Fit = Callable[[Learn, Settings, int], Model]
"""(what to learn from, settings, seed) to a fitted peer."""
Choose = Callable[[Fold, Callable[[Model], float], int], tuple[Settings, list[dict[str, Any]]]]
"""(the validation fold, its judge, seed) to the settings to use and what was tried."""
Looks = list[tuple[Settings, float]]
"""Settings in full, and what they reach on validation."""
Trial = Callable[[Fold, Callable[[Model], float], Settings, int], Looks]
"""(the validation fold, its judge, settings, seed) to a look, or to one after every so many epochs."""


def fitted(fit: Fit) -> Trial:
    """Return the trial of a peer that is fitted with its settings as they are."""

    def trial(fold: Fold, judge: Callable[[Model], float], settings: Settings, seed: int) -> Looks:
        return [(settings, judge(fit(fold.learn, settings, seed)))]

    return trial


def climb(trial: Trial, ladders: Mapping[str, Sequence[Any]], passes: int | None = None) -> Choose:
    """Choose by climbing one ladder after the other, each from where it stands, step by step.

    A ladder is left where neither step beside is better. It ends where no ladder moved any more, or after so
    many passes; what is chosen stands on an edge only at the end of a ladder, and `on_edge` then names it.

    Args:
        ladders: for each setting its values in order, begun in their middle.
        passes: at most so many over all ladders; default: until none moves.
    """
    names, lengths = list(ladders), [len(ladder) for ladder in ladders.values()]

    def choose(
        fold: Fold, judge: Callable[[Model], float], seed: int
    ) -> tuple[Settings, list[dict[str, Any]]]:
        trials: dict[tuple[int, ...], Looks] = {}

        def highest_look(place: tuple[int, ...]) -> tuple[Settings, float]:
            if place not in trials:
                settings = {name: ladders[name][step] for name, step in zip(names, place, strict=True)}
                trials[place] = trial(fold, judge, settings, seed)
                print(*max(trials[place], key=_reached), flush=True)
            return max(trials[place], key=_reached)

        def gain(place: tuple[int, ...]) -> float:
            return _reached(highest_look(place))

        best, done = tuple((length - 1) // 2 for length in lengths), 0
        while passes is None or done < passes:
            before, done = best, done + 1
            for axis, length in enumerate(lengths):
                while (highest := max([best, *_beside(best, axis, length)], key=gain)) != best:
                    best = highest
            if best == before:
                break
        looks = [look for trial_looks in trials.values() for look in trial_looks]
        tried = [{**settings, f"ndcg@{CUTOFF}": ndcg} for settings, ndcg in looks]
        return highest_look(best)[0], tried

    return choose


def _reached(look: tuple[Settings, float]) -> float:
    return look[1]


def _beside(place: tuple[int, ...], axis: int, length: int) -> list[tuple[int, ...]]:
    """Return the places one step away along one ladder."""
    steps = (place[axis] - 1, place[axis] + 1)
    return [(*place[:axis], step, *place[axis + 1 :]) for step in steps if 0 <= step < length]


def on_edge(settings: Settings, tried: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return which numbers among the settings are the least or the greatest that were tried."""
    edges = []
    for name, value in settings.items():
        values = {one[name] for one in tried}
        if len(values) > 1 and value in (min(values), max(values)):
            edges.append(name)
    return edges


def load_fold(folder: Path, step: str, facts: Mapping[str, Any]) -> Fold:
    """Read one step ("tune" or "test") of a scenario's folder."""
    with np.load(folder / f"{step}.npz", allow_pickle=False) as held:
        arrays = {name: held[name] for name in held.files}
    user, item, time, weight = (arrays[f"learn_{name}"] for name in ("user", "item", "time", "weight"))
    learn = Learn(user, item, time, weight, facts["n_users"], facts["n_items"])
    requests = Requests(arrays["user"], arrays["time"], arrays["offsets"], arrays["items"])
    slices = {name.removeprefix("slice_"): mask for name, mask in arrays.items() if name.startswith("slice_")}
    since = arrays["since"] if facts["clock"] == "time" else None
    return Fold(learn, requests, arrays["target"], since, facts["hide_seen"], slices)


def ranks_of(model: Model, fold: Fold, rows: Ints) -> tuple[NDArray[np.float64], Ints]:
    """Return the mid-ranks of the chosen items, and how many items each stood among."""
    ranks, counts = [np.zeros(0)], [np.zeros(0, np.int64)]
    for start in range(0, len(rows), BLOCK):
        some = rows[start : start + BLOCK]
        open_ = fold.open(some)
        ranks.append(mid_ranks(model.score(fold.requests.pick(some)), fold.target[some], open_))
        counts.append(open_.sum(axis=1))
    return np.concatenate(ranks), np.concatenate(counts)


def judge_of(fold: Fold, seed: int) -> Callable[[Model], float]:
    """Return what gives a model's NDCG@10 on validation choices, always the same ones."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(fold.target))[:JUDGED])

    def judge(model: Model) -> float:
        ranks, counts = ranks_of(model, fold, rows)
        values = per_choice(ranks, counts, [CUTOFF])[f"ndcg@{CUTOFF}"]
        return float(values.mean()) if len(values) else 0.0

    return judge


def main(name: str, packages: Sequence[str], fit: Fit, choose: Choose) -> None:
    """Run one peer on every scenario of an export and write what `evaluate` would write.

    Args:
        name: the model's name in tables.
        packages: whose versions belong beside its numbers.
        fit: fits it.
        choose: chooses its settings on validation.
    """
    options = _parser().parse_args()
    facts = json.loads((options.fold / "export.json").read_text(encoding="utf-8"))
    seed = facts["seed"] if options.seed is None else options.seed
    cost = {step: Cost() for step in ("choose", "fit", "judge")}
    scenarios, chosen = {}, {}
    ranks: dict[str, Any] = {}
    for number, (scenario, about) in enumerate(facts["scenarios"].items()):
        folder = options.fold / str(number)
        if options.settings is None:
            settings, tried = _chosen(folder, about, choose, seed, cost["choose"])
        else:
            settings, tried = options.settings, []
        fold = load_fold(folder, "test", about)
        with measured() as fitting:
            model = fit(fold.learn, settings, seed)
        with measured() as judging:
            ranks[str(number)], counts = ranks_of(model, fold, np.arange(len(fold.target)))
        _add(cost["fit"], fitting)
        _add(cost["judge"], judging)
        row = row_of(ranks[str(number)], counts, facts["cutoffs"], fold.slices)
        kept = {key: about[key] for key in ("users", "choices", "protocol", "seen_items", "slices")}
        scenarios[scenario] = {**kept, "models": {name: row}}
        edges = on_edge(settings, tried)
        chosen[scenario] = {"settings": dict(settings), "on_edge": edges, "tried": tried}
    results = {
        "scenarios": scenarios,
        "cutoffs": facts["cutoffs"],
        "seed": seed,
        "chosen": chosen,
        "cost": {step: spent.to_json() for step, spent in cost.items()},
        "versions": {package: metadata.version(package) for package in packages},
    }
    np.savez(options.json.with_suffix(".ranks.npz"), **ranks)
    options.json.write_text(json.dumps(results, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fold", type=Path, required=True, metavar="FOLDER", help="what export.py wrote")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="write the results here")
    parser.add_argument("--seed", type=int, metavar="N", help="default: the one of the export")
    parser.add_argument(
        "--settings", type=json.loads, metavar="JSON", help="settings chosen before; default: choose them now"
    )
    return parser


def _chosen(
    folder: Path, about: Mapping[str, Any], choose: Choose, seed: int, cost: Cost
) -> tuple[Settings, list[dict[str, Any]]]:
    with measured() as choosing:
        fold = load_fold(folder, "tune", about)
        settings, tried = choose(fold, judge_of(fold, seed), seed)
    _add(cost, choosing)
    return settings, tried


def _add(total: Cost, step: Cost) -> None:
    total.seconds += step.seconds
    total.processor_seconds += step.processor_seconds
    total.peak_mb = max(total.peak_mb, step.peak_mb)
