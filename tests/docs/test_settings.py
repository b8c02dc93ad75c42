"""Every setting is documented under its block with its default, and nothing else is."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from polyscene.core.settings import (
    cycle,
    drift,
    evaluation,
    fusion,
    index,
    language,
    links,
    multitask,
    policies,
    project,
    rules,
    runtime,
    scenarios,
    service,
    signals,
    tables,
    text_ranker,
    tuning,
)

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"

BLOCKS: dict[str, tuple[type[BaseModel], ...]] = {
    "At the top": (project.Settings,),
    "`[language]`": (language.LanguageSettings,),
    "`[scenarios.NAME]`": (scenarios.ScenarioSettings,),
    "Every table": (tables.TableSettings,),
    "`items`": (tables.ItemsSettings,),
    "`items.vectors`": (tables.VectorsSettings,),
    "Image files": (tables.ImagesSettings,),
    "`users`": (tables.UsersSettings,),
    "`events`": (tables.EventsSettings,),
    "`links`": (links.LinksSettings,),
    "`knowledge`": (links.KnowledgeSettings,),
    "`entities`": (links.EntitiesSettings,),
    "`[evaluation]`": (evaluation.EvaluationSettings,),
    "`[tuning]`": (tuning.TuningDetails,),
    "`[tuning.objectives]`": (tuning.ObjectiveShares,),
    "`[tuning.optimiser]`": (tuning.OptimiserSettings,),
    "`[text_ranker]`": (text_ranker.TextRankerSettings,),
    "`[multitask]`": (multitask.MultitaskSettings,),
    "`[fusion]`": (fusion.FusionSettings,),
    "`[index]`": (index.IndexSettings,),
    "`[runtime]`": (runtime.RuntimeSettings,),
    "`[service]`": (service.ServiceSettings,),
    "`[drift]`": (drift.DriftSettings,),
    "`[cycle]`": (cycle.CycleSettings,),
}
NESTED = {
    "cycle",
    "drift",
    "language",
    "scenarios",
    "evaluation",
    "tuning",
    "text_ranker",
    "multitask",
    "fusion",
    "index",
    "runtime",
    "service",
    "signals",
}
WITHIN = {"`[tuning]`": {"objectives", "optimiser"}}
TABLES = {"`items`", "`items.vectors`", "`users`", "`events`", "`links`", "`knowledge`", "`entities`"}


def _sections() -> dict[str, str]:
    parts = re.split(r"^#{2,3} (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _rows(block: str) -> Iterator[tuple[list[str], str]]:
    """Yield the keys and the default of each row of a block's table."""
    for line in _sections()[block].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        keys = re.findall(r"`(\w+)`", cells[0])
        if line.startswith("|") and keys:
            yield keys, cells[1]


def _fields(block: str) -> set[str]:
    names = set().union(*(model.model_fields for model in BLOCKS[block]))
    names -= set(tables.TableSettings.model_fields) if block in TABLES else set()
    return names - (NESTED if block == "At the top" else WITHIN.get(block, set()))


@pytest.mark.parametrize("block", BLOCKS)
def test_keys_are_those_of_the_settings(block: str) -> None:
    documented = [key for keys, _ in _rows(block) for key in keys]
    assert sorted(documented) == sorted(_fields(block))


@pytest.mark.parametrize("block", BLOCKS)
def test_defaults_are_those_of_the_settings(block: str) -> None:
    fields = BLOCKS[block][0].model_fields
    for keys, default in _rows(block):
        for key in keys:
            value = fields[key].default
            if isinstance(value, str | int | float):
                assert json.dumps(value) in default, key
            elif value is PydanticUndefined and fields[key].is_required():
                assert default == "required", key


def test_every_block_of_a_project_has_a_section() -> None:
    models = {model for group in BLOCKS.values() for model in group} | {
        scenarios.Objective,
        tables.JoinSettings,
        tables.PivotSettings,
    }
    known = {
        value
        for module in (
            cycle,
            drift,
            evaluation,
            fusion,
            index,
            language,
            links,
            multitask,
            project,
            runtime,
            scenarios,
            service,
            tables,
            text_ranker,
            tuning,
        )
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module.__name__
    }
    assert known == models


def test_objectives_and_signals_are_named() -> None:
    text = _sections()["`[scenarios.NAME]`"]
    for name in (*signals.SIGNALS, *scenarios.Objective.model_fields):
        assert f"`{name}`" in text


@pytest.mark.parametrize("name", list(policies.POLICIES))
def test_policies_are_told_with_their_parameters(name: str) -> None:
    row = next(line for line in _sections()["Policies"].splitlines() if line.startswith(f"| `{name}` |"))
    cell = row.split("|")[2]
    for parameter, field in policies.POLICIES[name].Settings.model_fields.items():
        assert f"`{parameter}`, `{field.default}`" in cell


@pytest.mark.parametrize(
    "rule",
    [rules.PinRule, rules.BlockRule, rules.BoostRule, rules.ValueRule, rules.CapRule, rules.QuotaRule],
)
def test_rules_are_told_with_their_keys(rule: type[BaseModel]) -> None:
    kind = get_args(rule.model_fields["kind"].annotation)[0]
    row = next(line for line in _sections()["Rules"].splitlines() if line.startswith(f"| `{kind}` |"))
    own = set(rule.model_fields) - set(rules.RuleSettings.model_fields) - {"kind"}
    assert set(re.findall(r"`(\w+)`", row.split("|")[2])) == own
    for name, field in rules.RuleSettings.model_fields.items():
        assert f"`{field.alias or name}`" in _sections()["Rules"]


def test_the_examples_of_policies_and_rules_are_valid() -> None:
    parts = [_sections()[name] for name in ("Policies", "Rules")]
    text = "\n".join(
        block for part in parts for block in re.findall(r"^```toml\n(.*?)^```", part, re.DOTALL | re.M)
    )
    scenario = tomllib.loads(text)["scenarios"]["shop"]
    items = {"path": "i", "id": "i"}
    events = {"path": "e", "user": "u", "item": "i"}
    settings = scenarios.ScenarioSettings(items=items, events=events, **scenario)
    assert settings.policy.settings() == policies.POLICIES["epsilon"].Settings(epsilon=0.05)
    assert [rule.kind for rule in settings.rules] == ["block", "pin"]
