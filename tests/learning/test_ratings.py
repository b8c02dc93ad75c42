"""Ratings that follow a rule are predicted by it, and nothing is predicted of nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from polyscene.core.errors import DataError
from polyscene.data.schema import EventLog
from polyscene.learning.ratings import MODELS, RatingModel, RatingSettings
from polyscene.project import Project

N_USERS, N_ITEMS = 40, 25


def _frame(rating: Any) -> pl.DataFrame:
    draws = np.random.default_rng(1)
    pairs = draws.permutation(N_USERS * N_ITEMS)[:800]
    user, item = pairs // N_ITEMS, pairs % N_ITEMS
    return pl.DataFrame(
        {
            "user_id": [f"u{one}" for one in user],
            "item_id": [f"i{one}" for one in item],
            "rating": rating(user, item, draws),
            "timestamp": (1_700_000_000 + 3600 * np.arange(len(user))).tolist(),
        }
    )


def _project(rating: Any) -> Project:
    frame = _frame(rating)
    events = {"user": "user_id", "item": "item_id", "value": "rating", "time": "timestamp"}
    own = {"scenarios": {"main": {"events": events, "items": {"id": "item_id"}}}}
    return Project.from_frames(frame, frame.select("item_id").unique(maintain_order=True), settings=own)


def test_biases_explain_what_biases_made() -> None:
    project = _project(lambda user, item, _: 3.0 + (user % 5) / 4 - (item % 3) / 2)
    errors = project.ratings().errors["main"]
    assert tuple(errors) == MODELS
    assert errors["biases"]["rmse"] < 0.4 * errors["mean"]["rmse"]
    assert errors["biases"]["mae"] <= errors["biases"]["rmse"]


def test_factors_explain_what_taste_made() -> None:
    project = _project(lambda user, item, draws: 3.0 + np.where(user % 2 == item % 2, 1.0, -1.0))
    result = project.ratings()
    errors = result.errors["main"]
    assert errors["factors"]["rmse"] < 0.5 * errors["biases"]["rmse"]
    assert result.counts["main"][0] + result.counts["main"][1] == 800
    assert result.to_frame()["model"].to_list() == list(MODELS)
    assert "judged" in repr(result)


def test_what_was_never_met_gets_the_mean(make_log: Any) -> None:
    log: EventLog = make_log([(0, 0, 1), (1, 1, 2)])
    log = replace(log, value=np.array([2.0, 4.0], np.float32))
    model = RatingModel.fit(log, 3, 3, RatingSettings(), 0)
    assert model.predict(np.array([2], np.int32), np.array([2], np.int32)).tolist() == [3.0]
    assert 2.0 <= model.predict(np.array([0], np.int32), np.array([0], np.int32))[0] < 3.0


def test_without_ratings_it_is_told() -> None:
    frame = _frame(lambda user, item, _: user * 1.0).drop("rating")
    events = {"user": "user_id", "item": "item_id", "time": "timestamp"}
    own = {"scenarios": {"main": {"events": events, "items": {"id": "item_id"}}}}
    items = frame.select("item_id").unique(maintain_order=True)
    with pytest.raises(DataError, match="ratings"):
        Project.from_frames(frame, items, settings=own).ratings()
