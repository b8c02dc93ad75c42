"""Tables beside items, events and users: who knows whom, and what a knowledge graph tells of items."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from polyscene.core.settings.tables import OnDuplicate, OnUnknown, TableSettings


class LinksSettings(TableSettings):
    """Who knows whom: one row per link between two people."""

    user: str = Field(description="column with the id of one of the two")
    friend: str = Field(description="column with the id of the other")
    weight: str | None = Field(
        None, description="column with how strong a link is, above 0; default: all alike"
    )
    directed: bool = Field(False, description="whether a link tells of its user only, as following does")
    on_unknown_user: OnUnknown = Field(
        "add", description="of people whom no other table of the scenario names"
    )
    on_bad_row: Literal["error", "drop"] = "error"

    @model_validator(mode="after")
    def _two_people(self) -> Self:
        if self.user == self.friend:
            raise ValueError("'user' and 'friend' are the two columns of a link: name two different ones")
        return self


class EntitiesSettings(TableSettings):
    """Which entity of the knowledge graph an item is: one row per item."""

    item: str = Field(description="column with the id of the item")
    entity: str = Field(description="column with the id of its entity")
    on_unknown_item: Literal["error", "drop"] = "drop"
    on_duplicate: OnDuplicate = "error"


class KnowledgeSettings(TableSettings):
    """A knowledge graph: one row per triple, such as a film, "directed by", a person."""

    head: str = Field(description="column with the entity that something is said of")
    relation: str | None = Field(None, description="column with what is said; default: one thing of all")
    tail: str = Field(description="column with the entity that it is said with")
    entities: EntitiesSettings | None = Field(
        None, description="the table of the items' entities; default: heads and tails are ids of items"
    )
    on_bad_row: Literal["error", "drop"] = "error"

    @model_validator(mode="after")
    def _two_entities(self) -> Self:
        if self.head == self.tail:
            raise ValueError("'head' and 'tail' are the two ends of a triple: name two different columns")
        return self
