"""Requests as callers in Python write them, checked and turned into what the engine answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypedDict

from pydantic import TypeAdapter, ValidationError

from polyscene.core.errors import ArgumentError, ConfigError
from polyscene.core.ids import id_text, id_texts, size_of
from polyscene.core.settings.conditions import Condition, Conditions
from polyscene.core.settings.policies import PolicyChoice
from polyscene.core.settings.rules import Fact
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.text import shown
from polyscene.core.validation import first_refusal_of
from polyscene.engine.decision import Request
from polyscene.engine.rules import RuleBook
from polyscene.engine.state import System
from polyscene.policies.policy import Policy
from polyscene.policies.registry import policy_of

_CONDITIONS: TypeAdapter[dict[str, Condition]] = TypeAdapter(Conditions)
PolicyLike = str | Mapping[str, Any] | None
Seen = Literal["hide", "allow"]


class Asked(TypedDict, total=False):
    """What a request may say beside user, scenario and size; see `Run.recommend`."""

    exclude: Iterable[str | int]
    reasons: bool
    items: Iterable[str | int] | None
    where: str | None
    history: Iterable[str | int] | None
    policy: PolicyLike
    explore: bool
    seed: int | None
    context: Mapping[str, Fact] | None
    filter: Mapping[str, Any] | None
    seen: Seen | None


def request_of(user: str | int | None, scenario: str | None, k: int, asked: Asked) -> Request:
    """Return a request in the engine's words.

    Raises:
        ArgumentError: an argument cannot be meant.
    """
    items, history, filters = asked.get("items"), asked.get("history"), asked.get("filter")
    seen, seed = asked.get("seen"), asked.get("seed")
    if seed is not None and seed < 0:
        raise ArgumentError(f"expected a seed of at least 0, found {shown(seed)}")
    if seen not in (None, "hide", "allow"):
        raise ArgumentError(f"expected seen='hide' or seen='allow', or nothing, found {shown(seen)}")
    return Request(
        asker(user, history),
        scenario,
        size_of(k),
        id_texts(asked.get("exclude", ()), "item", "exclude"),
        reasons=asked.get("reasons", True),
        only=None if items is None else id_texts(items, "item", "items"),
        where=asked.get("where"),
        history=None if history is None else id_texts(history, "item", "history"),
        policy=named_policy(asked.get("policy")),
        explore=asked.get("explore", True),
        seed=seed,
        context=dict(asked.get("context") or {}),
        filter={} if filters is None else conditions_of(filters),
        seen=seen,
    )


def asker(user: str | int | None, history: object) -> str:
    """Return the id of the user who asks; empty where a history stands in for one.

    Raises:
        ArgumentError: there is neither, or the id is neither text nor a whole number.
    """
    if user is None and history is None:
        raise ArgumentError("expected the id of one user, or a history, found neither")
    return "" if user is None else id_text(user, "user")


def named_policy(policy: PolicyLike) -> Policy | None:
    """Return a policy by name, or by name and what it is told.

    Raises:
        ArgumentError: there is no such policy, or it cannot be told that.
    """
    if policy is None:
        return None
    try:
        return policy_of(PolicyChoice.model_validate(policy))
    except ValidationError as error:
        raise ArgumentError(f"expected a policy, found {shown(policy)}: {first_refusal_of(error)}") from None


def conditions_of(filters: Mapping[str, Any]) -> dict[str, Condition]:
    """Return conditions on attributes.

    Raises:
        ArgumentError: they are none.
    """
    try:
        return _CONDITIONS.validate_python(filters)
    except ValidationError as error:
        raise ArgumentError(
            f"expected conditions by attribute, found {shown(filters)}: {first_refusal_of(error)}"
        ) from None


def arrange(system: System, settings: Mapping[str, ScenarioSettings]) -> None:
    """Give every scenario the policies and the rules that its settings name.

    Raises:
        ConfigError: a rule names attributes that the items do not have.
    """
    for name, state in system.scenarios.items():
        if name in settings:
            book = RuleBook(settings[name].rules)
            wrong = [one for one in book.problems(state.catalogue) if one.severity == "error"]
            if wrong:
                raise ConfigError(wrong)
            state.policy, state.rules = policy_of(settings[name].policy), book
            shadow = settings[name].shadow
            state.shadow = None if shadow is None else policy_of(shadow)
