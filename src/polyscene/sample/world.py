"""The sample world as one object: its tables, and the truth behind them.

Meant for demos, for tests and for judging exploration against a known truth. It is never a benchmark: a
number measured here says nothing about people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from polyscene.core.clock import DAY, SECOND
from polyscene.core.errors import UnknownIdError
from polyscene.core.seeds import generator
from polyscene.core.text import shown
from polyscene.core.types import BoolArray, LongArray
from polyscene.sample import behaviour
from polyscene.sample.clock import BEGINNING, START, stamps
from polyscene.sample.items import Items, make_items
from polyscene.sample.outcomes import happenings
from polyscene.sample.people import People, make_people
from polyscene.sample.simulation import Shown, simulate
from polyscene.sample.visits import make_visits
from polyscene.sample.words import SCENARIOS, ScenarioName, vocabulary

Moment = datetime | int | LongArray


@dataclass(frozen=True, eq=False)
class SampleWorld:
    """A small invented company, and everything that is true of it.

    Codes are row numbers: user code c is row c of `users`, item code c is row c of `items[scenario]`.

    Attributes:
        seed: what it was generated from.
        days: how long it lasted; it begins on 2 March 2026, and all times are naive UTC.
        users: user_id, country, age; the same people in all scenarios.
        items: by scenario, one row per item, oldest first.
        events: by scenario, user_id, item_id, action, value, at; only what people did, ordered by time.
        slates: by scenario, slate, user_id, at, position (from 1), item_id, propensity, clicked, candidates;
            one row per place. The propensity is exact: the chance of the item at this place given those
            above it, so at position 1 it sums to one over the `candidates` items that could have stood there.
    """

    seed: int
    days: int
    users: pl.DataFrame
    items: Mapping[ScenarioName, pl.DataFrame]
    events: Mapping[ScenarioName, pl.DataFrame]
    slates: Mapping[ScenarioName, pl.DataFrame]
    _people: People = field(repr=False)
    _items: Mapping[ScenarioName, Items] = field(repr=False)

    @classmethod
    def generate(
        cls, seed: int = 7, users: int = 2000, items_per_scenario: int = 300, days: int = 60
    ) -> SampleWorld:
        """Make the world that belongs to `seed` and these sizes: the same one every time.

        Raises:
            ValueError: a size is not positive.
        """
        for name, size in (("users", users), ("items_per_scenario", items_per_scenario), ("days", days)):
            if size < 1:
                raise ValueError(f"expected {name} to be at least 1, found {size}; give a positive number")
        words = vocabulary()
        people = make_people(users, days, seed)
        items = {name: make_items(words, name, items_per_scenario, days, seed) for name in SCENARIOS}
        log = simulate(people, items, make_visits(people, days, seed), seed)
        end = START + days * DAY
        return cls(
            seed=seed,
            days=days,
            users=people.frame,
            items={name: items[name].frame for name in SCENARIOS},
            events={name: _events(name, people, items[name], log[name], end, seed) for name in SCENARIOS},
            slates={name: _slates(people, items[name], log[name]) for name in SCENARIOS},
            _people=people,
            _items=items,
        )

    def preference(
        self, user_codes: ArrayLike, scenario: str, item_codes: ArrayLike, time: Moment
    ) -> NDArray[np.float64]:
        """Return the true chance that a person who looks at an item at `time` acts on it.

        The mean over what the visit may be about (`behaviour.preference`); position plays no part, nor does
        what the person took just before.

        Args:
            user_codes: integers.
            scenario: shop, news or video.
            item_codes: integers.
            time: a datetime (naive means UTC) or microseconds since 1970.

        Returns:
            probabilities in the shape that the three broadcast to; `(users[:, None], items)` gives a matrix.

        Raises:
            UnknownIdError: there is no such scenario, user or item.
        """
        name = self._scenario(scenario)
        users = _codes(user_codes, len(self._people), "user")
        items = _codes(item_codes, len(self._items[name]), "item")
        return behaviour.preference(name, self._people, self._items[name], users, items, _microseconds(time))

    def live(self, scenario: str, time: datetime | int) -> BoolArray:
        """Return (n,) which items of the scenario exist at `time`.

        Raises:
            UnknownIdError: there is no such scenario.
        """
        return np.asarray(self._items[self._scenario(scenario)].since <= _microseconds(time))

    def inhabitants(self, scenario: str) -> tuple[People, Items]:
        """Return the people and one scenario's items with all that only the world knows of them.

        Raises:
            UnknownIdError: there is no such scenario.
        """
        return self._people, self._items[self._scenario(scenario)]

    @property
    def end(self) -> datetime:
        """The midnight after the last day, naive UTC."""
        return datetime.fromtimestamp(START // SECOND + self.days * 86_400, tz=UTC).replace(tzinfo=None)

    @property
    def start(self) -> datetime:
        """The midnight before the first day, naive UTC."""
        return BEGINNING.replace(tzinfo=None)

    def write(self, folder: Path) -> Path:
        """Write the tables and a commented `polyscene.toml` into `folder`, made where it is missing.

        Existing files of the same names are replaced.

        Returns:
            the path of `polyscene.toml`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.users.write_parquet(folder / "users.parquet")
        for name in SCENARIOS:
            (folder / name).mkdir(exist_ok=True)
            self.items[name].write_parquet(folder / name / "items.parquet")
            self.events[name].write_parquet(folder / name / "events.parquet")
            self.slates[name].write_parquet(folder / name / "slates.parquet")
        text = (files("polyscene.sample") / "polyscene.toml").read_text(encoding="utf-8")
        path = folder / "polyscene.toml"
        path.write_text(text.replace("seed = 7", f"seed = {self.seed}", 1), encoding="utf-8", newline="\n")
        return path

    def _scenario(self, name: str) -> ScenarioName:
        for known in SCENARIOS:
            if known == name:
                return known
        raise UnknownIdError(
            f"expected a scenario of {', '.join(SCENARIOS)}, found {shown(name)}; choose one of these"
        )


def _events(
    name: ScenarioName, people: People, items: Items, log: Shown, end: int, seed: int
) -> pl.DataFrame:
    rows = happenings(name, log.clicks(), items.frame, end, generator(seed, "sample", "outcomes", name))
    return pl.DataFrame(
        {
            "user_id": people.frame["user_id"].gather(rows.user),
            "item_id": items.frame["item_id"].gather(rows.item),
            "action": pl.Series(rows.action.tolist(), dtype=pl.String),
            "value": pl.Series(rows.value).fill_nan(None),
            "at": stamps(rows.time),
        }
    )


def _slates(people: People, items: Items, log: Shown) -> pl.DataFrame:
    row, place = np.nonzero(log.items >= 0)
    names = pl.Series([f"s{number:06d}" for number in range(1, len(log.user) + 1)], dtype=pl.String)
    return pl.DataFrame(
        {
            "slate": names.gather(row),
            "user_id": people.frame["user_id"].gather(log.user[row]),
            "at": stamps(log.time[row]),
            "position": pl.Series(place + 1, dtype=pl.Int16),
            "item_id": items.frame["item_id"].gather(log.items[row, place]),
            "propensity": log.propensity[row, place],
            "clicked": log.clicked[row, place],
            "candidates": pl.Series(log.candidates[row], dtype=pl.Int32),
        }
    )


def _codes(codes: ArrayLike, count: int, what: str) -> LongArray:
    array = np.asarray(codes)
    if array.size == 0:
        return array.astype(np.int64)
    if not np.issubdtype(array.dtype, np.integer) or array.min() < 0 or array.max() >= count:
        raise UnknownIdError(
            f"expected {what} codes from 0 to {count - 1}, found {shown(codes)}; give row numbers"
        )
    return array.astype(np.int64)


def _microseconds(time: Moment) -> LongArray:
    if not isinstance(time, datetime):
        return np.asarray(time, dtype=np.int64)
    aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    whole = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return np.asarray((whole.days * 86_400 + whole.seconds) * SECOND + whole.microseconds, dtype=np.int64)
