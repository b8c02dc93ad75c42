"""Links as arrays: between people, and between the entities of a knowledge graph."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from polyscene.core.types import FloatArray, IntArray

if TYPE_CHECKING:  # tables are read and drafted without it
    from scipy import sparse


@dataclass(frozen=True)
class SocialLinks:
    """Who looks to whom; where a link goes both ways it stands here twice.

    Attributes:
        user: (m,) codes in the project's numbering.
        friend: (m,) codes of those whose taste tells something of the user's.
        weight: (m,) how strong each link is, above 0.
    """

    user: IntArray
    friend: IntArray
    weight: FloatArray

    def __len__(self) -> int:
        return len(self.user)

    def matrix(self, n_users: int) -> sparse.csr_array:
        """Return the links as an (n_users, n_users) matrix of weights."""
        from scipy import sparse

        shape = (n_users, n_users)
        entries = sparse.coo_array((self.weight, (self.user, self.friend)), shape=shape, dtype=np.float32)
        return entries.tocsr()

    @classmethod
    def joined(cls, parts: Iterable[SocialLinks]) -> SocialLinks | None:
        """Return the links of several tables, each once and as strong as at its strongest; None: no table."""
        every = list(parts)
        if not every:
            return None
        user, friend, weight = (
            np.concatenate([getattr(part, name) for part in every]) for name in ("user", "friend", "weight")
        )
        order = np.lexsort((-weight, friend, user))
        user, friend, weight = user[order], friend[order], weight[order]
        first = np.ones(len(user), np.bool_)
        first[1:] = (user[1:] != user[:-1]) | (friend[1:] != friend[:-1])
        return cls(user[first], friend[first], weight[first])


@dataclass(frozen=True)
class KnowledgeGraph:
    """Triples about entities, and which of them the items of one scenario are.

    Attributes:
        entities: names of the entities.
        relations: names of what is said.
        head, relation, tail: (m,) codes of the triples.
        of_item: (n_items,) the entity of each item; -1: it has none.
    """

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    head: IntArray
    relation: IntArray
    tail: IntArray
    of_item: IntArray

    def __len__(self) -> int:
        return len(self.head)
