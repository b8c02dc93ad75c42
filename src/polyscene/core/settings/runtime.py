"""`[runtime]`: where and how to compute; never changes what is learned."""

from __future__ import annotations

from pydantic import Field

from polyscene.core.settings.block import Strict


class RuntimeSettings(Strict):
    """Where and how to compute; never changes what is learned."""

    threads: int | None = Field(None, ge=1)
    runs: str = Field("runs", description="folder of the runs, relative to the configuration file")
    cache: str | None = Field(None, description="folder of encoded texts and images; default: the user's")
    blocks_mb: int = Field(256, ge=16, description="memory for one block of scores")
