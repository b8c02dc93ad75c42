"""Ask for slates while everything changes, then draw and compute every one that is kept again, bit for bit.

    python benchmarks/replay.py --slates 10000 --json replay.json

Two runs are trained on a small sample world, and one is served by a process of its own. Slates of three
scenarios are asked for under every policy, with filters, contexts, visits, exclusions and cursors; between
them come events, items that are put, changed and taken out, other rules, swaps of the model, and SIGKILL,
after which the service starts from a snapshot and the log. In the end every decision that is kept is drawn
again from its record alone. Then it is computed again from the run and the log: a fresh run learns the log up
to where the decision stood, entry by entry, and must give the same candidates, scores, places and
propensities. A part of the slates (`--erased`) is asked on a log of its own, from which users are erased
meanwhile: their slates are gone, the others are drawn again, and none can be computed again, since the log no
longer has what was learned.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np

from killable_service import Forks, Served
from polyscene.core.threads import prepare_environment
from polyscene.evaluation.provenance import machine, versions
from polyscene.project import Project
from polyscene.runs.run import Run
from polyscene.sample.world import SampleWorld
from polyscene.serving.catalogue_changes import CatalogueChanges
from polyscene.serving.known import Known
from polyscene.serving.live import LiveRun
from polyscene.serving.management import KNOWN
from polyscene.serving.replay import redrawn, replay
from polyscene.serving.stores.contract import DecisionRecord, Entry, EventStore
from polyscene.serving.stores.opening import open_stores
from projects import WORK
from showing import table, write_json

Option = TypeVar("Option")

SECONDS_FOR_AN_ANSWER = 300.0
"""The first text that is put waits for the language model to be loaded."""
SEEDS = (7, 8)
"""Of the two runs."""
EVERY = {"events": 10, "item": 50, "rules": 200, "swap": 500, "kill": 1_000}
"""After so many slates each happens."""
EVERY_ERASURE = 100
POLICIES: tuple[dict[str, Any], ...] = (
    {},
    {"policy": {"name": "epsilon", "epsilon": 0.3}},
    {"policy": {"name": "plackett_luce", "temperature": 0.7}},
    {"policy": {"name": "greedy"}},
)
EXTRAS: tuple[dict[str, Any], ...] = (
    {},
    {"context": {"page": "home"}},
    {"filter": {"price": {"at_most": 60}}, "scenario": "shop"},
    {
        "events": [{"item": "N0003", "action": "like"}, {"item": "N0007", "action": "click"}],
        "scenario": "news",
    },
    {"exclude": ["V0001", "V0002", "V0003"], "scenario": "video"},
    {"seen": "allow", "reasons": True},
)
ENCODER = ("polyscene.language.model.loading", "transformers.models.bert.modeling_bert")
"""What a process loads that reads the text of an item."""
RULES: tuple[list[dict[str, Any]], ...] = (
    [],
    [
        {"name": "launch", "kind": "pin", "item": "P0003", "place": 2},
        {"name": "one each", "kind": "cap", "by": "brand", "most": 1},
    ],
    [
        {"name": "more", "kind": "boost", "items": ["P0004", "P0005"], "offset": 0.5},
        {"name": "home", "kind": "quota", "items": ["P0006"], "least": 1, "when": {"page": "home"}},
        {"name": "out", "kind": "block", "items": ["P0001"]},
    ],
)


class Shop:
    """One service under everything that can happen to it.

    Args:
        forks: starts its process.
        config: of the project.
        data: its folder.
        seed: of what is asked.
        erases: whether users are erased.
    """

    def __init__(self, forks: Forks, config: Path, data: Path, seed: int, erases: bool) -> None:
        self._forks, self._config, self.data, self._erases = forks, config, data, erases
        self._draws = np.random.default_rng(seed)
        self._runs = Project.open(config).runs()
        self.happened = Counter[str]()
        self.asked: list[str] = []
        self._next: dict[str, Any] | None = None
        self._client = httpx.Client(timeout=SECONDS_FOR_AN_ANSWER)
        self._number, self._served = 0, Served(forks, config, data, None)

    def ask(self, count: int) -> None:
        """Ask for slates, and let things happen between them."""
        for number in range(1, count + 1):
            self._slate()
            for name, every in EVERY.items():
                if number % every == 0:
                    self.happened[name] += 1
                    getattr(self, f"_{name}")()
            if self._erases and number % EVERY_ERASURE == 0:
                self.happened["erasure"] += 1
                self._post(f"/v1/users/{self._user()}/erasure", {})

    def close(self) -> None:
        """Kill the process."""
        self._client.close()
        self._served.kill()

    def _send(self, method: str, path: str, body: object = None) -> httpx.Response:
        return self._client.request(method, f"{self._served.url}{path}", json=body)

    def _post(self, path: str, body: object) -> dict[str, Any]:
        answer: dict[str, Any] = self._send("POST", path, body).raise_for_status().json()
        return answer

    def _draw(self, options: Sequence[Option]) -> Option:
        return options[int(self._draws.integers(len(options)))]

    def _user(self) -> str:
        return f"u{int(self._draws.integers(1, 140)):05}"  # some are new

    def _slate(self) -> None:
        body = self._next or {
            "user": self._user(),
            "scenario": self._draw(("shop", "news", "video")),
            "k": int(self._draws.integers(1, 13)),
            "reasons": False,
            **self._draw(POLICIES),
            **self._draw(EXTRAS),
        }
        answer = self._send("POST", "/v1/recommendations", body)
        if answer.status_code == httpx.codes.NOT_FOUND and "cursor" in body:  # its page went with the process
            self.happened["cursor of a slate that is not kept"] += 1
            answer = self._send("POST", "/v1/recommendations", {**body, "cursor": None})
        slate = answer.raise_for_status().json()
        self.asked.append(slate["decision"])
        goes_on = slate["cursor"] is not None and self._draws.random() < 0.25
        self.happened["page by cursor"] += "cursor" in body
        self._next = {**body, "cursor": slate["cursor"]} if goes_on else None

    def _events(self) -> None:
        users, shop = [self._user() for _ in range(5)], ("P", "shop", "purchase")
        rows = [self._draw((shop, ("N", "news", "like"), ("V", "video", "click"))) for _ in users]
        events = [
            {"user": user, "scenario": name, "action": action}
            | {"item": f"{letter}{int(self._draws.integers(1, 20)):04}"}
            for user, (letter, name, action) in zip(users, rows, strict=True)
        ]
        self._post("/v1/events/batch", {"events": events})

    def _item(self) -> None:
        """Put an item, change its price, or take it out again."""
        kind, number = self._number % 3, self._number // 3
        path = f"/v1/items/shop/new-{number}"
        self._number += 1
        if kind == 0:
            fields = {"title": "Tent for two", "description": "Keeps the rain out.", "price": 9.5}
            fields |= {"brand": "Larkwood", "category": "Camping"}
            self._send("PUT", path, {"fields": fields}).raise_for_status()
        elif kind == 1:
            self._send("PATCH", path, {"fields": {"price": 12.5}}).raise_for_status()
        else:
            self._send("DELETE", path).raise_for_status()

    def _rules(self) -> None:
        rules = RULES[self.happened["rules"] % len(RULES)]
        self._send("PUT", "/v1/rules/shop", {"rules": rules}).raise_for_status()

    def _swap(self) -> None:
        self._post(f"/v1/models/{self._runs[self.happened['swap'] % 2]}/activate?force=true", {})

    def _kill(self) -> None:
        self._served.kill()
        self._served = Served(self._forks, self._config, self.data, None)


@dataclass
class Comparison:
    """What became of slates.

    Attributes:
        asked: how many were.
        kept: how many of them the log of decisions has.
        redrawn, recomputed: how many gave the same bits.
        differently_drawn, differently_computed: ids of those that did not.
        unreached: ids of those whose state the log does not lead to.
        by_policy: how many are kept under each.
    """

    asked: int
    kept: int = 0
    redrawn: int = 0
    recomputed: int = 0
    differently_drawn: list[str] = field(default_factory=list)
    differently_computed: list[str] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)
    by_policy: Counter[str] = field(default_factory=Counter)


class Beginning:
    """The beginning of a log, as a store that grows entry by entry.

    Args:
        store: the whole of it, from which nothing was removed: its offsets count the entries.
    """

    shared = False

    def __init__(self, store: EventStore) -> None:
        self._entries = list(store.since(0, 2**62))
        self.identity, self.forgotten, self.last = store.identity, 0, 0

    def grow(self) -> bool:
        """Add an entry; False: there is none."""
        is_longer = self.last < len(self._entries)
        self.last += is_longer
        return is_longer

    def since(self, offset: int, limit: int) -> Iterator[tuple[int, Entry]]:
        """Yield entries after an offset."""
        return iter(self._entries[offset : self.last][:limit])


def compared(data: Path, config: Path, asked: Sequence[str], recompute: bool) -> Comparison:
    """Draw every slate again that is kept, and compute it again."""
    events, decisions = open_stores(data, "")
    wanted, result = set(asked), Comparison(len(asked))
    records = [record for _, record in decisions.since(0, 2**62) if record.id in wanted]
    result.kept = len(records)
    for record in records:
        result.by_policy[record.details["policy"]["name"]] += 1
        if _drawn_alike(record):
            result.redrawn += 1
        else:
            result.differently_drawn.append(record.id)
    if recompute:
        known = Known(data / KNOWN)  # for the vectors of texts alone
        for name in sorted({record.run for record in records}):
            folder = Project.open(config).run(name).folder
            _compute(Run(folder), known, events, [one for one in records if one.run == name], result)
        known.close(events.identity)
    events.close()
    decisions.close()
    return result


def _drawn_alike(record: DecisionRecord) -> bool:
    places, propensities = redrawn(record)
    kept = np.asarray(record.details["propensities"], np.float32)
    return places.tolist() == record.details["places"] and propensities.tobytes() == kept.tobytes()


def _compute(
    run: Run, known: Known, events: EventStore, records: Sequence[DecisionRecord], result: Comparison
) -> None:
    """Let a run learn the log anew, and compute decisions where they stood, in their order."""
    beginning: Any = Beginning(events)
    live = LiveRun(run, beginning, handlers=CatalogueChanges(run, known, records=False).handlers)
    for record in records:
        reached = False
        while not (again := replay(record, run.system, run.id))["recomputed_same"]:
            reached |= again["recomputed"]
            if run.system.position > record.position or not beginning.grow():
                (result.differently_computed if reached else result.unreached).append(record.id)
                break
            live.catch_up()
        result.recomputed += again["recomputed_same"] is True
    live.close()


def prepared(folder: Path) -> Path:
    """Return the configuration of a sample world with two runs."""
    config = folder / "polyscene.toml"
    if not config.exists():
        SampleWorld.generate(SEEDS[0], 120, 40, 20).write(folder)
    text = config.read_text(encoding="utf-8")
    for seed in SEEDS[len(Project.open(config).runs()) :]:
        config.write_text(text.replace(f"seed = {SEEDS[0]}\n", f"seed = {seed}\n"), encoding="utf-8")
        Project.open(config).train()
    config.write_text(text, encoding="utf-8")
    return config


def shown(results: dict[str, Comparison], happened: Counter[str]) -> str:
    """Return both tables."""
    rows = []
    for name, one in results.items():
        lost = [one.asked - one.kept, len(one.differently_drawn), one.recomputed]
        rows.append([name, one.asked, one.kept, one.redrawn, *lost, len(one.differently_computed)])
    head = ["slates", "asked", "kept", "drawn alike", "not kept", "drawn otherwise", "computed alike"]
    body = [[str(cell) for cell in row] for row in rows]
    meanwhile = table(["meanwhile", "times"], [[name, str(count)] for name, count in happened.items()])
    return f"{table([*head, 'computed otherwise'], body)}\n\n{meanwhile}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, compare, print, write; 1 where a slate differs."""
    options = _parser().parse_args(arguments)
    prepare_environment()
    erased = int(options.slates * options.erased)
    config = prepared(options.work / "replay")
    results, happened = dict[str, Comparison](), Counter[str]()
    with ExitStack() as stack:
        forks = Forks(ENCODER)
        stack.callback(forks.close)
        for name, count, erases in (("log", options.slates - erased, False), ("erasures", erased, True)):
            data = config.parent / "service" / f"{name}_{time.time_ns()}"
            shop = Shop(forks, config, data, options.seed + erases, erases)
            try:
                shop.ask(count)
            finally:
                shop.close()
            happened += shop.happened
            results[name] = compared(data, config, shop.asked, not erases)
    print(shown(results, happened))
    if options.json is not None:
        about = {"seed": options.seed, "machine": machine(), "versions": versions(), "happened": happened}
        write_json(options.json, about | {name: vars(one) for name, one in results.items()})
    differ = [one.differently_drawn or one.differently_computed or one.unreached for one in results.values()]
    return int(any(differ))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slates", type=int, default=10_000, metavar="N", help="default: 10000")
    parser.add_argument("--erased", type=float, default=0.3, metavar="SHARE", help="default: 0.3")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of what is asked")
    parser.add_argument("--work", type=Path, default=WORK, metavar="FOLDER", help="default: benchmarks/.work")
    return parser


if __name__ == "__main__":
    sys.exit(main())
