"""What is believed of one item, as numbers that another learner of the log takes over to the last bit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from polyscene.core.types import FloatArray
from polyscene.recommenders.posterior.posterior import Posterior
from polyscene.recommenders.posterior.tables import Beliefs

BASIS_DIGITS = 32


@dataclass(frozen=True)
class ItemBeliefs:
    """What a posterior believes of one item.

    Attributes:
        basis: tells posteriors apart whose numbers mean different things; see `basis_of`.
        prior: (d,) where the item's text put it then.
        beliefs: one row.
    """

    basis: str
    prior: FloatArray
    beliefs: Beliefs

    @classmethod
    def of(cls, signal: Posterior, row: int) -> Self:
        """Copy what is believed now."""
        rows = np.array([row], np.int64)
        return cls(basis_of(signal), signal.priors[row].copy(), signal.item_rows(rows))

    def plain(self) -> dict[str, Any]:
        """Return them as JSON can say them; floats keep every bit."""
        columns = {name: column[0].tolist() for name, column in self.beliefs._asdict().items()}
        return {"basis": self.basis, "prior": self.prior.tolist(), **columns}

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Self:
        """Read what `plain` wrote."""
        kinds = Beliefs.prior(np.zeros((0, 0), np.float32), 1.0, 1.0)._asdict()
        columns = {name: np.array([values[name]], kind.dtype) for name, kind in kinds.items()}
        return cls(str(values["basis"]), np.array(values["prior"], np.float32), Beliefs(**columns))

    def put_into(self, signal: Posterior, row: int) -> bool:
        """Let a posterior believe this of an item; return whether its numbers mean the same.

        A text that was edited since counts: the vector is moved by what the text moved. One of another basis
        believes of the item what its text says, as if nothing had happened to it.
        """
        prior = signal.priors[row]
        if self.basis != basis_of(signal):
            signal.put_item(row, signal.item_prior(prior[None]))
            return False
        means = self.beliefs.means
        moved = means if np.array_equal(prior, self.prior) else means + (prior - self.prior)
        signal.put_item(row, self.beliefs._replace(means=moved))
        return True


def basis_of(signal: Posterior) -> str:
    """Return a digest of what gives the numbers of a posterior's vectors their meaning: its projection."""
    projection = np.ascontiguousarray(signal.projection)
    digest = hashlib.sha256(f"{projection.shape} {projection.dtype} {signal.half_life!r}".encode())
    digest.update(projection.tobytes())
    return digest.hexdigest()[:BASIS_DIGITS]
