"""Makes prompts with a yes or no answer of a table of ratings, in the form that `few_shot.py` reads.

    POLYSCENE_DATA=FOLDER python benchmarks/few_shot_prompts.py --set movietweetings --out PROMPTS
    python benchmarks/few_shot.py --data PROMPTS

The set's folder holds items.parquet with item_id and title, and events.parquet with user_id, item_id, rating
and timestamp. The ten ratings before one of a person's latest are a history; whether that one is above the
threshold is the answer. People are dealt to test, valid and context by a hash of their id, so that nobody is
in two; of those in context the histories alone are kept, which is what a domain offers without a label. With
--new, test asks about things that nobody in valid or context has met: a quarter, by a hash of the title.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from polyscene.core.seeds import derived
from projects import data_root

HISTORY, LATEST, PROMPTS = 10, 3, 1000
PARTS = ("test", "valid", "context")
COLUMNS = ("instruction", "input", "output")
INSTRUCTION = "Given the user's preference and unpreference, answer whether the user will like the target."


@dataclass(frozen=True)
class Person:
    """What one person rated, oldest first.

    Attributes:
        titles: of n things.
        liked: n answers.
    """

    titles: list[str]
    liked: list[bool]

    def without(self, unwanted: frozenset[str]) -> Person:
        """Return what they rated beside some things."""
        kept = [place for place, title in enumerate(self.titles) if title not in unwanted]
        return Person([self.titles[place] for place in kept], [self.liked[place] for place in kept])

    def prompt(self, start: int, stop: int) -> tuple[str, str]:
        """Return the question about the thing at `stop` after those from `start`, and the answer."""
        rated = list(zip(self.titles[start:stop], self.liked[start:stop], strict=True))
        yes, no = (", ".join(f'"{title}"' for title, liked in rated if liked is one) for one in (True, False))
        question = f'Whether the user will like the target "{self.titles[stop]}"?'
        answer = "Yes." if self.liked[stop] else "No."
        return f"User Preference: {yes}\nUser Unpreference: {no}\n{question}", answer

    def prompts(self, about: frozenset[str] | None) -> Iterator[tuple[str, str]]:
        """Yield the questions about their latest things, or about the latest of some, with the answers."""
        asked = [at for at, title in enumerate(self.titles) if about is None or title in about]
        for at in [at for at in asked if at >= HISTORY][-LATEST:]:
            yield self.prompt(at - HISTORY, at)


def part_of(user: str) -> str:
    """Return the part that a person belongs to, by a hash of their id alone."""
    return PARTS[derived(0, "few shot prompts", user) % len(PARTS)]


def new_titles(titles: Sequence[str]) -> frozenset[str]:
    """Return a quarter of the titles, by a hash of theirs."""
    return frozenset(title for title in titles if derived(0, "few shot prompts, new", title) % 4 == 0)


def prompts(events: pl.DataFrame, items: pl.DataFrame, above: float, new: bool) -> dict[str, pl.DataFrame]:
    """Return the prompts of each part: of test and valid at most 1,000.

    Args:
        events, items: see above.
        above: ratings above it are a yes.
        new: whether test asks about what is found nowhere else.
    """
    titled = items.select(pl.col("item_id"), pl.col("title").str.replace_all('"', "'"))
    rated = events.join(titled, on="item_id").sort("user_id", "timestamp", "item_id")
    fresh = new_titles(titled["title"].to_list()) if new else frozenset[str]()
    rows: dict[str, list[tuple[str, str, str]]] = {part: [] for part in PARTS}
    for (user,), own in rated.group_by("user_id", maintain_order=True):
        person, part = Person(own["title"].to_list(), (own["rating"] > above).to_list()), part_of(str(user))
        if part == "test":
            rows[part] += [(INSTRUCTION, *one) for one in person.prompts(fresh if new else None)]
            continue
        known = person.without(fresh)
        if len(known.titles) > HISTORY:
            last = len(known.titles) - 1
            some = known.prompts(None) if part == "valid" else [(known.prompt(0, last)[0], "")]
            rows[part] += [(INSTRUCTION, *one) for one in some]
    kept = {part: some if part == "context" else some[:PROMPTS] for part, some in rows.items()}
    return {part: pl.DataFrame(some, list(COLUMNS), orient="row") for part, some in kept.items()}


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument(
        "--set", default="movietweetings", metavar="NAME", help="a folder of the data folder"
    )
    arguments.add_argument("--above", type=float, default=7.0, metavar="R", help="ratings above it are a yes")
    arguments.add_argument("--new", action="store_true", help="ask about what nobody has met")
    arguments.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="write the prompts here")
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, word, write."""
    options = parser().parse_args(arguments)
    folder = data_root() / options.set
    try:
        events, items = (pl.read_parquet(folder / f"{name}.parquet") for name in ("events", "items"))
        parts = prompts(events, items, options.above, options.new)
    except (OSError, pl.exceptions.PolarsError) as error:
        expected = f"expected items.parquet and events.parquet with ratings in {folder}"
        print(f"{expected}, found: {str(error).splitlines()[0]}; name another --set", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    for part, frame in parts.items():
        frame.write_parquet(options.out / f"{part}.parquet")
        print(f"{part}: {len(frame):,} prompts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
