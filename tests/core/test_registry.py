from __future__ import annotations

import re
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ValidationError

from polyscene.core.errors import MissingExtraError, UnknownIdError
from polyscene.core.registry import GROUPS, Registry, known_to

GROUP = "polyscene.no_such_group"


def registry(**declared: str) -> Registry[Any]:
    kinds: Registry[Any] = Registry(GROUP, ("second", "first"))
    kinds.__dict__["_declared"] = {name: EntryPoint(name, value, GROUP) for name, value in declared.items()}
    return kinds


def test_names_come_in_the_given_order_then_by_alphabet() -> None:
    kinds = registry(zeta="json:dumps", first="json:dumps", second="json:loads")
    kinds.add("alpha", int)
    assert list(kinds) == ["second", "first", "alpha", "zeta"]
    assert "zeta" in kinds
    assert "alpha" in kinds
    assert "omega" not in kinds


def test_what_was_added_goes_before_what_is_installed() -> None:
    kinds = registry(first="re:compile")
    loaded: object = kinds["first"]
    assert loaded is re.compile
    kinds.add("first", int)
    added: object = kinds["first"]
    assert added is int


def test_unknown_names_say_which_are_known() -> None:
    with pytest.raises(UnknownIdError, match="expected one of first, found 'third'; a plug-in declares"):
        registry(first="json:dumps")["third"]


@pytest.mark.parametrize("value", ["no_such_module_at_all:thing", "json:no_such_thing"])
def test_what_cannot_be_loaded_is_known_and_says_so_when_it_is_asked_for(value: str) -> None:
    kinds = registry(first=value)
    assert list(kinds) == ["first"]
    with pytest.raises(MissingExtraError, match="'first' of"):
        kinds["first"]


def test_a_setting_is_one_of_the_names_of_any_version() -> None:
    kinds = registry(first="no_such_module_at_all:thing")

    class Block(BaseModel):
        kind: Annotated[str, known_to(kinds, lambda name: {"old": "first"}.get(name, name))]

    assert Block(kind="first").kind == Block(kind="old").kind == "first"
    with pytest.raises(ValidationError, match="Input should be one of first"):
        Block(kind="third")


def test_every_declared_group_is_a_known_one() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert set(tomllib.loads(text)["project"]["entry-points"]) <= set(GROUPS)
