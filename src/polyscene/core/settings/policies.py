"""Which policies there are, by name, and `policy` of a scenario: who is shown what, with which probability.

Names are known without loading a policy; a choice loads the one that it is about, which is pure numpy.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from polyscene.core.registry import Registry, known_to
from polyscene.core.validation import refusal_of

USUAL_POLICIES = ("greedy", "epsilon", "plackett_luce", "ucb", "thompson", "guarded", "learned")

POLICIES: Registry[Any] = Registry("polyscene.policies", USUAL_POLICIES)
"""Subclasses of `policies.policy.Policy` by name."""

PolicyName = Annotated[str, known_to(POLICIES)]


class PolicyChoice(BaseModel):
    """A policy with what it may be told: `{ name = "epsilon", epsilon = 0.05 }`, or the bare name."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: PolicyName = "greedy"

    @model_validator(mode="before")
    @classmethod
    def _of_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _demand_fit(self) -> Self:
        try:
            self.settings()
        except ValidationError as error:
            lines = error.errors()
            parts = [f"'{'.'.join(map(str, line['loc']))}': {refusal_of(line)}" for line in lines]
            known = ", ".join(POLICIES[self.name].Settings.model_fields) or "nothing more"
            raise ValueError(f"{'; '.join(parts)} (policy '{self.name}' takes {known})") from None
        return self

    def settings(self) -> BaseModel:
        """Return what the policy is told, in the class that it declares."""
        described: BaseModel = POLICIES[self.name].Settings(**(self.__pydantic_extra__ or {}))
        return described
