"""What the reasons in slates are worth: are they true, do they differ, do they tell something?

    python benchmarks/reasons.py --set movielens_100k --slates 25 --json reasons.json
    python benchmarks/reasons.py --config FILE --run ID --show

A run is opened (or trained where there is none), users are drawn by the seed, and every sentence of their
slates is taken apart again: the texts in quotation marks are titles of past items or shared traits, and each
is looked up in the history and in both items. `--show` prints what was had and every place, to be read.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from polyscene.core.errors import PolysceneError
from polyscene.core.seeds import generator
from polyscene.engine.catalogue import LiveCatalogue
from polyscene.engine.decision import Request
from polyscene.engine.recommending import recommend
from polyscene.engine.state import System
from polyscene.evaluation.provenance import machine, versions
from polyscene.responsible.explanation import shortened
from projects import add_project_arguments, chosen_project
from showing import Telling, table, write_json

SIZE, LAST_SHOWN = 10, 8
COMMON = 0.2
"""What a larger share of the catalogue has tells nothing."""
SAMPLE = 2000
_QUOTED = re.compile("“([^”]*)”")


@dataclass
class Tally:
    """What was counted over all places of all slates."""

    slates: int = 0
    places: int = 0
    false: int = 0
    repeated: int = 0
    naming_past: int = 0
    naming_trait: int = 0
    common_traits: int = 0
    traits: int = 0
    most_of_one_past: list[int] = field(default_factory=list)

    def to_json(self) -> dict[str, float]:
        """Return counts and shares."""
        places = max(self.places, 1)
        return {
            "slates": self.slates,
            "places": self.places,
            "false": self.false,
            "repeated": self.repeated / places,
            "naming_past": self.naming_past / places,
            "naming_trait": self.naming_trait / places,
            "common_traits": self.common_traits / max(self.traits, 1),
            "places_of_the_past_item_named_most": float(np.mean(self.most_of_one_past or [0])),
        }


class Reader:
    """Takes sentences apart, against one catalogue."""

    def __init__(self, catalogue: LiveCatalogue) -> None:
        self._catalogue = catalogue
        self._texts: dict[int, str] = {}
        self._shares: dict[str, float] = {}

    def text(self, code: int) -> str:
        """Return everything that is known of an item, in small letters."""
        if code not in self._texts:
            item = self._catalogue.items([code])[0]
            values = [str(value) for value in item.attributes.values()]
            words = " ".join([self._catalogue.titles[code], self._catalogue.texts[code], *values])
            self._texts[code] = " ".join(words.split()).casefold()
        return self._texts[code]

    def share(self, trait: str) -> float:
        """Return the share of a sample of the catalogue that has a trait."""
        if trait not in self._shares:
            step = max(len(self._catalogue.texts) // SAMPLE, 1)
            codes = range(0, len(self._catalogue.texts), step)
            self._shares[trait] = float(np.mean([self.has(code, trait) for code in codes]))
        return self._shares[trait]

    def has(self, code: int, trait: str) -> bool:
        """Return whether an item has a trait, as a word or a value of its own."""
        return re.search(rf"(?<!\w){re.escape(trait.casefold())}(?!\w)", self.text(code)) is not None or (
            not trait.isascii() and trait.casefold() in self.text(code)
        )

    def parts(self, sentence: str, history: Sequence[int]) -> tuple[list[int], list[str]]:
        """Return the past items and the traits that a sentence names."""
        titles = {shortened(self._catalogue.titles[code]): code for code in history}
        quoted = _QUOTED.findall(sentence)
        return [titles[text] for text in quoted if text in titles], [
            text for text in quoted if text not in titles
        ]


def tally_slate(
    tally: Tally, reader: Reader, slate: Sequence[tuple[int, str]], history: Sequence[int]
) -> None:
    """Count the places of one slate: item codes and their reasons."""
    sentences: set[str] = set()
    named: Counter[int] = Counter()
    for code, sentence in slate:
        past, traits = reader.parts(sentence, history)
        wrong = code in past or (bool(traits) and not past)
        wrong |= any(not reader.has(item, trait) for trait in traits for item in (code, *past))
        tally.places += 1
        tally.false += wrong
        tally.repeated += sentence in sentences
        tally.naming_past += bool(past)
        tally.naming_trait += bool(traits)
        tally.traits += len(traits)
        tally.common_traits += sum(reader.share(trait) > COMMON for trait in traits)
        sentences.add(sentence)
        named.update(past)
    tally.slates += 1
    tally.most_of_one_past.append(max(named.values(), default=0))


def measure(system: System, name: str, slates: int, seed: int, show: bool) -> dict[str, float]:
    """Return what was counted in one scenario."""
    state = system.scenario(name)
    reader, tally = Reader(state.catalogue), Tally()
    people = np.unique(state.log.events().user)
    drawn = generator(seed, "reasons").choice(people, min(slates, len(people)), replace=False)
    for user in drawn.tolist():
        history = state.timeline.history(user, None).items.tolist()
        places = recommend(system, "", Request(system.users[user], name, SIZE))
        rows = [(state.catalogue.code(place.item.id), place.reason) for place in places]
        tally_slate(tally, reader, rows, history)
        if show:
            print(f"\n{name}, {system.users[user]} had {len(history):,}, last:")
            print("\n".join(f"    - {state.catalogue.titles[code][:100]}" for code in history[-LAST_SHOWN:]))
            print("\n".join(f"  {state.catalogue.titles[code][:70]:70} | {reason}" for code, reason in rows))
    return tally.to_json()


def shown(results: dict[str, dict[str, float]]) -> str:
    """Return the counts as a table."""
    head = (
        "scenario",
        "slates",
        "places",
        "false",
        "repeated",
        "name a past item",
        "a trait",
        "common",
        "most",
    )
    rows = [
        [
            name,
            *(f"{one[key]:,.0f}" for key in ("slates", "places", "false")),
            *(
                f"{100 * one[key]:.1f} %"
                for key in ("repeated", "naming_past", "naming_trait", "common_traits")
            ),
            f"{one['places_of_the_past_item_named_most']:.1f}",
        ]
        for name, one in results.items()
    ]
    return table(head, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_project_arguments(parser)
    parser.add_argument("--run", metavar="ID", help="default: the newest, or one that is trained first")
    parser.add_argument(
        "--slates", type=int, default=25, metavar="N", help="of so many users in each scenario"
    )
    parser.add_argument("--show", action="store_true", help="print the slates")
    options = parser.parse_args(arguments)
    results: dict[str, Any] = {}
    try:
        project = chosen_project(options, Telling())
        system = (project.run(options.run) if project.runs() else project.train()).system
        for name in system.scenarios:
            results[name] = measure(system, name, options.slates, project.settings.seed, options.show)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    print(shown(results))
    if options.json is not None:
        write_json(options.json, {"scenarios": results, "machine": machine(), "versions": versions()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
