"""`[index]`: how the vectors nearest to a request's are found, and how many of them must be."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from polyscene.core.registry import Registry
from polyscene.core.settings.block import Strict

AUTO = "auto"

INDEXES: Registry[Any] = Registry("polyscene.indexes", ("exact", "clusters", "faiss", "usearch"))
"""Subclasses of `representation.index.VectorIndex` by name."""


def _known(name: str) -> str:
    if name != AUTO and name not in INDEXES:
        raise ValueError(f"Input should be one of {', '.join((AUTO, *INDEXES))}")
    return name


IndexKind = Annotated[str, AfterValidator(_known)]


class IndexSettings(Strict):
    """How the vectors nearest to a request's are found, and how many of them must be."""

    kind: IndexKind = Field(AUTO, description="auto: exact while that is quick enough, then clusters")
    latency_ms: float | None = Field(
        None, gt=0, description="one exact search may take so long; default: up to 4,096 vectors are compared"
    )
    recall: float = Field(
        0.5, ge=0, le=1, description="share of the nearest that a service must find, else it compares all"
    )
