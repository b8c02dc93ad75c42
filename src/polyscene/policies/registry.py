"""Which policies there are, as classes: those of Polyscene and those of plug-ins."""

from __future__ import annotations

from pydantic import ValidationError

from polyscene.core.errors import ArgumentError
from polyscene.core.registry import Registry
from polyscene.core.settings import policies
from polyscene.core.settings.policies import PolicyChoice
from polyscene.core.validation import refusal_of
from polyscene.policies.policy import Policy

POLICIES: Registry[type[Policy]] = policies.POLICIES
"""Every policy by name; a module is loaded when it is asked for."""


def policy_of(choice: PolicyChoice) -> Policy:
    """Return the policy that was chosen, with what it is told."""
    return POLICIES[choice.name](choice.settings())


def policy_named(text: str) -> Policy:
    """Return a policy as it is typed: `greedy`, `epsilon:0.1`, `plackett_luce:temperature=0.5`.

    A number alone is the policy's first setting.

    Raises:
        ArgumentError: there is no such policy, or it does not take what it is told.
    """
    name, _, values = text.partition(":")
    try:
        fields = [*POLICIES[name].Settings.model_fields] if name in POLICIES else []
        pairs = [part.partition("=") for part in values.split(",") if part]
        settings = {key: value for key, equals, value in pairs if equals}
        settings |= dict(zip(fields, (key for key, equals, _ in pairs if not equals), strict=False))
        if len(settings) < len(pairs):
            raise ArgumentError(f"expected at most {len(fields)} numbers for '{name}', found '{values}'")
        return policy_of(PolicyChoice(name=name, **settings))
    except ValidationError as error:
        reason = refusal_of(error.errors()[0])
        raise ArgumentError(f"expected a policy such as epsilon:0.1, found '{text}': {reason}") from None


def choice_of(policy: Policy) -> dict[str, object]:
    """Return a policy as `PolicyChoice` reads it: its name and what it was told."""
    settings: dict[str, object] = policy.settings.model_dump()
    return {"name": policy.name} | settings
