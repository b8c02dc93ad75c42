"""Forms of sharing in one table: which are compared, what is shown, what may be copied."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from polyscene.core.errors import UnknownIdError
from polyscene.core.settings.multitask import SHARING_FORMS, MultitaskSettings
from polyscene.learning.sharing_comparison import pairs_to_compare
from polyscene.learning.task_weighting import WEIGHTINGS

Typed = Callable[..., Result]


@pytest.fixture(scope="module")
def quick(config: Path) -> Path:
    """Return the company's configuration with a network that learns in a moment."""
    text = config.read_text(encoding="utf-8") + "\n[multitask]\nepochs = 2\nsize = 8\nhidden = 16\n"
    file = config.parent / "quick.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_forms_are_judged_before_the_test_part_and_the_best_can_be_copied(
    typed: Typed, quick: Path, tmp_path: Path
) -> None:
    file = tmp_path / "forms.json"
    result = typed(
        "compare", "--config", quick, "--form", "separate", "--form", "shared_bottom", "--json", file
    )
    rows = json.loads(file.read_text(encoding="utf-8"))["forms"]
    assert {row["form"] for row in rows} == {"separate", "shared_bottom"}
    best, other = rows
    assert best["means"]["ndcg"] >= other["means"]["ndcg"] > 0
    assert set(best["judged"]) == {"shop", "news", "video"}
    assert all(0 < row["means"]["auc"] < 1 for row in rows)
    assert min(best["choices"].values()) > 10
    for word in ("shared_bottom (present)", "separate", "NDCG@10", "One training each."):
        assert word in result.stdout
    for form in ("shared_bottom", "separate"):
        assert f"multitask, {form}: shop, news, video: 2 epochs" in result.stderr
    if best["form"] == "separate":
        copied = tomllib.loads(result.stdout[result.stdout.index("[multitask]") :])
        assert copied["multitask"] == {"form": "separate", "weighting": "fixed"}
    else:
        assert "The present form is the best of these." in result.stdout


def test_an_unknown_form_is_refused_before_anything_is_read(typed: Typed, quick: Path) -> None:
    result = typed("compare", "--config", quick, "--form", "telepathy", code=2)
    assert "shared_bottom" in result.stderr
    assert "telepathy" in result.stderr


def test_each_form_and_each_weighting_is_compared_once_with_the_present_one() -> None:
    present = MultitaskSettings(form="mmoe", weighting="pcgrad")
    pairs = pairs_to_compare(present)
    assert pairs[0] == ("mmoe", "pcgrad")
    assert len(pairs) == len(set(pairs)) == len([*SHARING_FORMS]) + len(WEIGHTINGS) - 1
    assert pairs_to_compare(present, ["star"]) == [("star", "pcgrad")]
    named = pairs_to_compare(present, ["star", "ple"], ["fixed", "gradnorm"])
    assert named == [("star", "fixed"), ("star", "gradnorm"), ("ple", "fixed"), ("ple", "gradnorm")]
    with pytest.raises(UnknownIdError, match="expected a weighting out of fixed"):
        pairs_to_compare(present, [], ["heavy"])
