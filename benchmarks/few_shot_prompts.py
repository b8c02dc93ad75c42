"""Makes prompts with a yes or no answer of a table of ratings, in the form that `few_shot.py` reads.

    POLYSCENE_DATA=FOLDER python benchmarks/few_shot_prompts.py --set movietweetings --out PROMPTS
    python benchmarks/few_shot.py --data PROMPTS

The set's folder holds items.parquet with item_id and title, and events.parquet with user_id, item_id, rating
and timestamp. A person's ten ratings before one of their latest make a history; whether that one is above
the threshold is the answer. People are dealt to test, valid and context by a hash of their id, so that nobody is
in two; of the people in context the histories alone are kept, which is what a domain offers without a label.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from polyscene.core.seeds import derived
from projects import data_root

HISTORY, LATEST, PROMPTS = 10, 3, 1000
PARTS = ("test", "valid", "context")
INSTRUCTION = "Given the user's preference and unpreference, answer whether the user will like the target."


def part_of(user: str) -> str:
    """Return the part that a person belongs to, by a hash of their id alone."""
    return PARTS[derived(0, "few shot prompts", user) % len(PARTS)]


def prompts_of(titles: Sequence[str], liked: Sequence[bool], only_history: bool) -> Iterator[tuple[str, str]]:
    """Yield (input, output) of one person's ratings, oldest first; output is "" where a history stands alone.

    Args:
        titles: of n things.
        liked: n answers.
        only_history: one prompt of all that the person rated, its last thing unanswered.
    """
    if only_history:
        yield _worded(titles[:-1], liked[:-1], titles[-1]), ""
        return
    for at in range(max(HISTORY, len(titles) - LATEST), len(titles)):
        past = slice(at - HISTORY, at)
        yield _worded(titles[past], liked[past], titles[at]), "Yes." if liked[at] else "No."


def _worded(titles: Sequence[str], liked: Sequence[bool], candidate: str) -> str:
    quoted = [f'"{title}"' for title in titles]
    yes = ", ".join(title for title, answer in zip(quoted, liked, strict=True) if answer)
    no = ", ".join(title for title, answer in zip(quoted, liked, strict=True) if not answer)
    question = f'Whether the user will like the target "{candidate}"?'
    return f"User Preference: {yes}\nUser Unpreference: {no}\n{question}"


def prompts(events: pl.DataFrame, items: pl.DataFrame, above: float) -> dict[str, pl.DataFrame]:
    """Return the prompts of each part: at most 1,000, and of context the histories of everybody."""
    titled = items.select("item_id", pl.col("title").str.replace_all('"', "'"))
    rated = events.join(titled, on="item_id").sort("user_id", "timestamp", "item_id", maintain_order=True)
    rows: dict[str, list[tuple[str, str, str]]] = {part: [] for part in PARTS}
    for (user,), own in rated.group_by("user_id", maintain_order=True):
        part = part_of(str(user))
        if len(own) > HISTORY:
            liked = (own["rating"] > above).to_list()
            some = prompts_of(own["title"].to_list(), liked, part == "context")
            rows[part] += [(INSTRUCTION, *one) for one in some]
    kept = {part: some if part == "context" else some[:PROMPTS] for part, some in rows.items()}
    columns = ["instruction", "input", "output"]
    return {part: pl.DataFrame(some, schema=columns, orient="row") for part, some in kept.items()}


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--set", default="movietweetings", metavar="NAME", help="a folder of the data folder")
    made.add_argument("--above", type=float, default=7.0, metavar="R", help="ratings above it are a yes")
    made.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="write the prompts here")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Read, word, write."""
    options = parser().parse_args(arguments)
    folder = data_root() / options.set
    try:
        events, items = (pl.read_parquet(folder / f"{name}.parquet") for name in ("events", "items"))
        made = prompts(events, items, options.above)
    except (OSError, pl.exceptions.PolarsError) as error:
        print(f"expected items.parquet and events.parquet with ratings in {folder}, found: {error}", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    for part, frame in made.items():
        frame.write_parquet(options.out / f"{part}.parquet")
        print(f"{part}: {len(frame):,} prompts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
