"""Tables of links and triples: what is read, what is left out and why, and that the counts add up."""

from __future__ import annotations

from pathlib import Path

import pytest

from polyscene.core.errors import ConfigError, DataError
from polyscene.core.settings.project import Settings
from polyscene.data.links import SocialLinks
from polyscene.data.reading.check import check_project
from polyscene.data.reading.dataset import read_dataset
from polyscene.data.schema import Dataset
from polyscene.data.tables.totals import RowTotals

ITEMS = "id,name\na,lamp\nb,chair\nc,mug\n"
EVENTS = "who,what\nann,a\nbob,b\ncid,c\n"


def write(folder: Path, **tables: str) -> Path:
    for name, text in {"items": ITEMS, "events": EVENTS, **tables}.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def settings(**parts: object) -> Settings:
    scenario: dict[str, object] = {
        "items": {"path": "items.csv", "id": "id", "text": ["name"]},
        "events": {"path": "events.csv", "user": "who", "item": "what"},
        **parts,
    }
    return Settings.parse({"scenarios": {"shop": scenario}})


def linked(**more: object) -> dict[str, object]:
    return {"path": "links.csv", "user": "one", "friend": "other", **more}


def pairs(dataset: Dataset) -> dict[tuple[str, str], float]:
    links = dataset.links
    assert links is not None
    rows = zip(links.user, links.friend, links.weight, strict=True)
    return {(dataset.users[int(u)], dataset.users[int(f)]): float(w) for u, f, w in rows}


def rows_of(folder: Path, project_settings: Settings, role: str) -> RowTotals:
    totals = check_project(project_settings, folder).counts["shop"].tables
    row = next(one for one in totals if one.role == role)
    assert row.rows == row.read + row.merged + row.refused + row.repaired + row.filtered
    return row


LINKS = "one,other,strength\nann,bob,1\nbob,ann,3\nann,ann,1\ncid,dan,2\nann,bob,1\n"


def test_a_link_goes_both_ways_once_and_as_strong_as_at_its_strongest(tmp_path: Path) -> None:
    project_settings = settings(links=linked(weight="strength"))
    dataset = read_dataset(project_settings, write(tmp_path, links=LINKS))
    assert pairs(dataset) == {("ann", "bob"): 3, ("bob", "ann"): 3, ("cid", "dan"): 2, ("dan", "cid"): 2}
    row = rows_of(tmp_path, project_settings, "links")
    assert (row.rows, row.read, row.merged, row.repaired, row.refused) == (5, 2, 2, 1, 0)
    assert any("leads to its own user" in note for note in dataset.notes)


def test_a_directed_link_tells_of_its_user_only(tmp_path: Path) -> None:
    project_settings = settings(links=linked(directed=True))
    dataset = read_dataset(project_settings, write(tmp_path, links=LINKS))
    assert set(pairs(dataset)) == {("ann", "bob"), ("bob", "ann"), ("cid", "dan")}
    assert set(pairs(dataset).values()) == {1.0}


def test_people_with_links_and_no_events_are_known(tmp_path: Path) -> None:
    dataset = read_dataset(settings(links=linked()), write(tmp_path, links=LINKS))
    assert dataset.users.values.to_list() == ["ann", "bob", "cid", "dan"]
    left_out = settings(links=linked(on_unknown_user="drop"))
    dataset = read_dataset(left_out, tmp_path)
    assert dataset.users.values.to_list() == ["ann", "bob", "cid"]
    assert ("cid", "dan") not in pairs(dataset)
    assert rows_of(tmp_path, left_out, "links").repaired == 2


@pytest.mark.parametrize(
    ("row", "more", "words", "column"),
    [
        ("ann,dan,1", {"on_unknown_user": "error"}, "whom no other table", "other"),
        (",bob,1", {}, "a link has no user", "one"),
        ("bob,,1", {}, "a link has no friend", "other"),
        ("ann,cid,-2", {"weight": "strength"}, "the weight of a link", "strength"),
        ("ann,cid,much", {"weight": "strength"}, "the weight of a link", "strength"),
    ],
)
def test_a_fault_names_file_row_and_column(
    tmp_path: Path, row: str, more: dict[str, object], words: str, column: str
) -> None:
    project_settings = settings(links=linked(**more))
    write(tmp_path, links=f"one,other,strength\nann,bob,1\n{row}\n")
    with pytest.raises(DataError) as caught:
        read_dataset(project_settings, tmp_path)
    problem = next(one for one in caught.value.problems if words in one.what)
    assert (problem.file, problem.row, problem.column, problem.count) == ("links.csv", 2, column, 1)
    assert rows_of(tmp_path, project_settings, "links").refused == 1
    dropped = (
        {**more, "on_bad_row": "drop"}
        if words.startswith(("a link", "the w"))
        else {
            **more,
            "on_unknown_user": "drop",
        }
    )
    dataset = read_dataset(settings(links=linked(**dropped)), tmp_path)
    assert set(pairs(dataset)) == {("ann", "bob"), ("bob", "ann")}


def test_links_of_several_tables_are_joined_at_their_strongest() -> None:
    import numpy as np

    def links(*rows: tuple[int, int, float]) -> SocialLinks:
        user, friend, weight = zip(*rows, strict=True)
        return SocialLinks(np.array(user), np.array(friend), np.array(weight, np.float32))

    joined = SocialLinks.joined([links((0, 1, 1), (2, 0, 1)), links((0, 1, 4))])
    assert joined is not None
    assert joined.matrix(3).todense().tolist() == [[0, 4, 0], [0, 0, 0], [1, 0, 0]]
    assert SocialLinks.joined([]) is None


def test_the_two_ends_of_a_link_are_two_columns() -> None:
    with pytest.raises(ConfigError, match="name two different ones"):
        settings(links={"path": "links.csv", "user": "one", "friend": "one"})
    with pytest.raises(ConfigError, match="name two different columns"):
        settings(knowledge={"path": "graph.csv", "head": "one", "tail": "one"})


GRAPH = "head,rel,tail\nE1,by,P1\nE2,by,P1\nE1,by,P1\nE3,by,E3\nE2,with,P2\n"
ENTITIES = "item,entity\na,E1\nb,E2\nzz,E3\nc,\n"
KNOWLEDGE = {
    "path": "graph.csv",
    "head": "head",
    "relation": "rel",
    "tail": "tail",
    "entities": {"path": "entities.csv", "item": "item", "entity": "entity"},
}


def test_triples_and_entities_are_read_and_counted(tmp_path: Path) -> None:
    project_settings = settings(knowledge=KNOWLEDGE)
    write(tmp_path, graph=GRAPH, entities=ENTITIES)
    graph = read_dataset(project_settings, tmp_path).knowledge["shop"]
    triples = zip(graph.head, graph.relation, graph.tail, strict=True)
    facts = {(graph.entities[h], graph.relations[r], graph.entities[t]) for h, r, t in triples}
    assert facts == {("E1", "by", "P1"), ("E2", "by", "P1"), ("E2", "with", "P2")}
    assert [None if code < 0 else graph.entities[code] for code in graph.of_item] == ["E1", "E2", None]
    row = rows_of(tmp_path, project_settings, "knowledge")
    assert (row.rows, row.read, row.merged, row.repaired) == (5, 3, 1, 1)
    row = rows_of(tmp_path, project_settings, "entities")
    assert (row.rows, row.read, row.repaired, row.refused) == (4, 2, 2, 0)


def test_an_unknown_item_is_an_error_where_that_is_asked(tmp_path: Path) -> None:
    strict = {**KNOWLEDGE, "entities": {**KNOWLEDGE["entities"], "on_unknown_item": "error"}}  # type: ignore[dict-item]
    write(tmp_path, graph=GRAPH, entities=ENTITIES)
    with pytest.raises(DataError) as caught:
        read_dataset(settings(knowledge=strict), tmp_path)
    (problem,) = caught.value.problems
    assert (problem.file, problem.row, problem.column) == ("entities.csv", 3, "item")
    assert "zz" in problem.found


def test_without_a_table_of_entities_heads_are_items_and_nothing_is_said_of_others(tmp_path: Path) -> None:
    alone = {"path": "graph.csv", "head": "head", "tail": "tail"}
    write(tmp_path, graph="head,tail\na,red\nb,red\n")
    graph = read_dataset(settings(knowledge=alone), tmp_path).knowledge["shop"]
    assert [graph.entities[code] if code >= 0 else None for code in graph.of_item] == ["a", "b", None]
    assert graph.relations == ("linked",)
    write(tmp_path, graph="head,tail\nE1,red\nE2,red\n")
    with pytest.raises(DataError, match="no item is an entity of the knowledge graph"):
        read_dataset(settings(knowledge=alone), tmp_path)
