from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from polyscene.core.settings.keys import keys_at


class Leaf(BaseModel):
    kind: Literal["leaf"]
    start: int = Field(alias="from")


class Knot(BaseModel):
    kind: Literal["knot"]
    inner: dict[str, Leaf] = {}


class Tree(BaseModel):
    name: str
    one: Leaf | None = None
    many: Annotated[tuple[Annotated[Leaf | Knot, Field(discriminator="kind")], ...], Field(max_length=3)] = ()
    lists: list[dict[str, Knot]] = []


def test_keys_are_those_of_the_model_where_a_path_leads() -> None:
    assert keys_at(Tree, []) == ["lists", "many", "name", "one"]
    assert keys_at(Tree, ["one"]) == ["from", "kind"]
    assert keys_at(Tree, ["many", 0, "leaf"]) == ["from", "kind"]
    assert keys_at(Tree, ["many", 7, "knot"]) == ["inner", "kind"]
    assert keys_at(Tree, ["many", "7", "knot", "inner", "any"]) == ["from", "kind"]
    assert keys_at(Tree, ["lists", 1, "x"]) == ["inner", "kind"]
    assert keys_at(tuple[Knot, ...], [3]) == ["inner", "kind"]


def test_where_there_is_no_model_no_key_is_known() -> None:
    paths: list[list[str | int]] = [["name"], ["name", "x"], ["none"], ["one", "kind", 3]]
    for path in paths:
        assert keys_at(Tree, path) == []
    assert keys_at(None, ["x"]) == []
