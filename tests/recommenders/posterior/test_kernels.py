"""One compiled step against the same formulas in plain numpy, and what a stream draws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from polyscene.core.clock import DAY
from polyscene.recommenders.posterior.events import CHOSEN, MEASURED, PASSED, TAKEN
from polyscene.recommenders.posterior.kernels import mixed, negative, note
from polyscene.recommenders.posterior.passes import learn
from polyscene.recommenders.posterior.settings import PosteriorSettings
from polyscene.recommenders.posterior.tables import NEVER, Beliefs, Lessons, Rates, Stream, columns, loosened

SIZE = 4


def rates(**more: Any) -> Rates:
    settings = PosteriorSettings(size=SIZE, negatives=1, user_drift=0.02, item_drift=0.001)
    return settings.rates(7.0, True)._replace(**{"step": 1e9, "reach": 1e9, **more})


def beliefs(n: int, seed: int, variance: float) -> Beliefs:
    draws = np.random.default_rng(seed)
    prior = Beliefs.prior(draws.normal(size=(n, SIZE)).astype(np.float32), variance, 0.3)
    return prior._replace(bias=draws.normal(size=n).astype(np.float32))


def copied(table: Beliefs) -> Beliefs:
    return Beliefs._make(column.copy() for column in columns(table))


def lessons(rows: list[tuple[int, int, int, int]], weight: float = 1.0, value: float = 0.0) -> Lessons:
    """Return lessons of (user, item, time, kind)."""
    kinds = (np.int32, np.int32, np.int64, np.int64, np.float32, np.float32, np.float32)
    table = Lessons._make(np.zeros(len(rows), kind) for kind in kinds)
    for place, (user, item, time, kind) in enumerate(rows):
        table.user[place], table.item[place], table.times[place], table.kinds[place] = user, item, time, kind
    table.weights[:], table.shares[:], table.values[:] = weight, 1.0, value
    return table


def of_two() -> Stream:
    """Return a stream in which items 0 and 1 have had an event each: one always stands against the other."""
    stream = Stream.empty(2, 3, 5)
    for item in (0, 1):
        note(stream, item)
    return stream


def alternating(kind: int, count: int) -> list[tuple[int, int, int, int]]:
    return [(place % 3, place % 2, place * DAY // 2, kind) for place in range(count)]


def normal(z: float) -> tuple[float, float]:
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi), 0.5 * math.erfc(-z / math.sqrt(2))


class Plain:
    """The same beliefs in double precision: gradients of the margin as vectors, updates as one formula."""

    def __init__(self, users: Beliefs, items: Beliefs, rates: Rates) -> None:
        self.users, self.items, self.rates = users, items, rates

    def at(self, users: bool, row: int, moment: int) -> tuple[np.ndarray, np.ndarray]:
        """Return means and variances of a row, the bias last, followed to a moment."""
        table = self.users if users else self.items
        drift = self.rates.user_drift if users else self.rates.item_drift
        prior = self.rates.user_prior if users else self.rates.item_prior
        if table.moments[row] == NEVER:
            table.moments[row] = moment
        table = loosened(table.take(np.array([row])), moment, drift, prior, self.rates)
        means = np.append(table.means[0].astype(float), table.bias[0])
        return means, np.append(table.variances[0].astype(float), table.bias_variance[0])

    def put(self, users: bool, row: int, moment: int, means: np.ndarray, variances: np.ndarray) -> None:
        table = self.users if users else self.items
        table.means[row], table.bias[row] = means[:-1], means[-1]
        table.variances[row], table.bias_variance[row] = variances[:-1], variances[-1]
        table.moments[row] = moment

    def choose(self, user: int, item: int, other: int, now: int, weight: float) -> None:
        (x, s), (w, t), (v, r) = (
            self.at(True, user, now),
            self.at(False, item, now),
            self.at(False, other, now),
        )
        taste, doubt = np.append(x[:-1], 1.0), np.append(s[:-1], 0.0)
        margin = float(taste @ (w - v))
        variance = float(self.rates.noise + doubt @ (w - v) ** 2 + (taste**2 + doubt) @ (t + r))
        density, mass = normal(margin / math.sqrt(variance))
        slope = weight * density / mass / math.sqrt(variance)
        curvature = slope * (density / mass / math.sqrt(variance) + margin / variance)
        gradient = np.append((w - v)[:-1], 0.0)
        self.put(True, user, now, x + s * gradient * slope, s * (1 - s * gradient**2 * curvature))
        self.put(False, item, now, w + t * taste * slope, t * (1 - t * taste**2 * curvature))
        self.put(False, other, now, v - r * taste * slope, r * (1 - r * taste**2 * curvature))

    def see(self, user: int, item: int, now: int, value: float | None, taken: bool) -> None:
        (x, s), (w, t) = self.at(True, user, now), self.at(False, item, now)
        taste, place = np.append(x[:-1], 1.0), np.append(w[:-1], 1.0)
        doubt, unsure = np.append(s[:-1], 0.0), t
        mean = float(x[:-1] @ w[:-1] + x[-1] + w[-1])
        variance = float(doubt @ w**2 + (taste**2 + doubt) @ unsure + s[-1] + self.rates.noise)
        if value is not None:
            slope, curvature = (value - mean) / variance, 1 / variance
        else:
            sign = 1.0 if taken else -1.0
            density, mass = normal(sign * mean / math.sqrt(variance))
            slope = sign * density / mass / math.sqrt(variance)
            curvature = slope * (slope + mean / variance)
        self.put(True, user, now, x + s * place * slope, s * (1 - s * place**2 * curvature))
        self.put(False, item, now, w + t * taste * slope, t * (1 - t * taste**2 * curvature))


def assert_close(actual: Beliefs, expected: Beliefs) -> None:
    for name in ("means", "variances", "bias", "bias_variance", "moments"):
        np.testing.assert_allclose(getattr(actual, name), getattr(expected, name), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weight", [1.0, 0.25])
def test_choices_are_the_formulas(weight: float) -> None:
    users, items, all_rates = beliefs(3, 0, 0.3), beliefs(3, 1, 0.01), rates()
    plain = Plain(copied(users), copied(items), all_rates)
    rows = alternating(CHOSEN, 12)
    learn(users, items, of_two(), lessons(rows, weight), 1, all_rates, 12)
    for user, item, now, _ in rows:
        plain.choose(user, item, 1 - item, now, weight)
    assert_close(users, plain.users)
    assert_close(items, plain.items)
    assert np.all(users.variances < 0.3 + 1e-6)
    assert items.moments[2] == NEVER


@pytest.mark.parametrize("kind", [TAKEN, PASSED, MEASURED])
def test_what_is_seen_is_the_formulas(kind: int) -> None:
    users, items, all_rates = beliefs(3, 2, 0.3), beliefs(3, 3, 0.01), rates()
    plain = Plain(copied(users), copied(items), all_rates)
    rows = alternating(kind, 12)
    stream = of_two()
    learn(users, items, stream, lessons(rows, value=0.7), 1, all_rates, 12)
    for user, item, now, _ in rows:
        plain.see(user, item, now, 0.7 if kind == MEASURED else None, kind == TAKEN)
    assert_close(users, plain.users)
    assert_close(items, plain.items)
    assert stream.counts[0] == 2, "what was no choice stands against nothing"


def test_a_late_event_ages_nothing() -> None:
    users, items, all_rates = beliefs(3, 0, 0.3), beliefs(3, 1, 0.01), rates()
    learn(users, items, of_two(), lessons([(0, 0, 10 * DAY, CHOSEN)]), 1, all_rates, 1)
    before = copied(items)
    learn(users, items, of_two(), lessons([(0, 0, 2 * DAY, MEASURED)], value=0.0), 1, all_rates, 1)
    assert items.moments[0] == 10 * DAY
    assert items.variances[0].max() <= before.variances[0].max()


def test_a_basket_is_asked_about_before_any_of_it_is_learned() -> None:
    """Six times the item that stands second: within one moment it stays second, one by one it is first."""

    def gain(rows: list[tuple[int, int, int, int]], start: int = 0) -> float:
        users, items = beliefs(3, 0, 0.3), beliefs(3, 1, 0.01)
        users.means[:], items.bias[:2] = 0.0, (-0.05, 0.05)
        return float(learn(users, items, of_two(), lessons(rows), 1, rates(fade=0.0), start))

    second = 1 / math.log2(3)
    assert gain([(0, 0, DAY, CHOSEN)]) == pytest.approx(second)
    assert gain([(0, 1, DAY, CHOSEN)]) == 1.0
    assert gain([(0, 0, DAY, CHOSEN)] * 6) == pytest.approx(6 * second)
    assert gain([(0, 0, DAY + place, CHOSEN) for place in range(6)]) == pytest.approx(second + 5)
    assert gain([(0, 0, DAY, CHOSEN)] * 6, start=4) == pytest.approx(2 * second)


def test_every_item_of_the_stream_is_drawn_as_often_and_never_the_chosen_one() -> None:
    stream = Stream.empty(64, 5, 11)
    for place in range(200):
        note(stream, [0, 0, 0, 0, 0, 1, 1, 2][place % 8])
    assert stream.times.tolist() == np.bincount(stream.latest, minlength=5).tolist()
    drawn = np.array([negative(stream, 3, number) for number in range(3000)])
    counts = np.bincount(drawn, minlength=5)
    assert counts[3] == counts[4] == 0
    np.testing.assert_allclose(counts[:3] / 3000, 1 / 3, atol=0.05)
    assert {int(negative(stream, 2, number)) for number in range(300)} == {0, 1}


def test_what_left_the_stream_is_drawn_no_more() -> None:
    stream = Stream.empty(4, 5, 11)
    for place, item in enumerate([0, 1, 2, 0, 3, 3, 4, 4, 4, 4, 1]):
        note(stream, item)
        recent = [0, 1, 2, 0, 3, 3, 4, 4, 4, 4, 1][max(place - 3, 0) : place + 1]
        drawn = {int(negative(stream, 4, number)) for number in range(60)}
        assert drawn - {-1} == set(recent) - {4}
        assert sorted(stream.distinct[: stream.counts[1]].tolist()) == sorted(set(recent))


def test_there_is_nothing_to_draw_from_an_empty_stream_or_one_of_the_chosen_item_alone() -> None:
    stream = Stream.empty(8, 3, 0)
    assert negative(stream, 1, 0) == -1
    note(stream, 1)
    assert negative(stream, 1, 0) == -1
    assert negative(stream, 0, 0) == 1


def test_draws_are_those_of_splitmix() -> None:
    """The first numbers of SplitMix64 with seed 1234567, as its reference has them."""
    numbers = [int(mixed(1234567, place)) for place in (1, 2, 3)]
    assert numbers == [6457827717110365317, 3203168211198807973, 9817491932198370423]
