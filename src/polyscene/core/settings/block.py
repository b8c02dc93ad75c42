"""What every block of settings is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A settings block that refuses what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
