"""How many requests are answered together."""

from __future__ import annotations

from polyscene.recommenders.fusion.fusion import Fusion

MAX_BLOCK = 512


def block_size(fusion: Fusion, blocks_mb: int) -> int:
    """Return how many requests fit into one block of the given size."""
    return max(1, min(MAX_BLOCK, blocks_mb * 2**20 // fusion.row_bytes))
