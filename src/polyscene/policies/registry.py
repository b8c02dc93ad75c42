"""Which policies there are, as classes: those of Polyscene and those of plug-ins."""

from __future__ import annotations

from polyscene.core.registry import Registry
from polyscene.core.settings import policies
from polyscene.core.settings.policies import PolicyChoice
from polyscene.policies.policy import Policy

POLICIES: Registry[type[Policy]] = policies.POLICIES
"""Every policy by name; a module is loaded when it is asked for."""


def policy_of(choice: PolicyChoice) -> Policy:
    """Return the policy that was chosen, with what it is told."""
    return POLICIES[choice.name](choice.settings())


def choice_of(policy: Policy) -> dict[str, object]:
    """Return a policy as `PolicyChoice` reads it: its name and what it was told."""
    told: dict[str, object] = policy.settings.model_dump()
    return {"name": policy.name} | told
