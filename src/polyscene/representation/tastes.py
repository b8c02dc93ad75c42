"""Everybody's taste as shares of items, kept up event by event."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Histories

Row = tuple[IntArray, FloatArray]
"""Items, each once, and their shares."""


def taste_rows(histories: Histories, n_items: int, decay: float, prior: float = 0.0) -> sparse.csr_array:
    """Return the (B, n_items) matrix of `weight · decay^age`, every row divided by its sum and `prior`."""
    worth = histories.weights * np.float64(decay) ** histories.ages
    total = np.bincount(histories.rows, worth, len(histories)) + prior
    shares = (worth / total[histories.rows]).astype(np.float32)
    shape = (len(histories), n_items)
    return sparse.coo_array((shares, (histories.rows, histories.items)), shape=shape).tocsr()


def without_users(
    matrix: sparse.csr_array, users: IntArray | LongArray, columns: bool = False
) -> sparse.csr_array:
    """Return a matrix without the rows of some users, and without their columns where it has such."""
    gone = np.zeros(matrix.shape[0], np.bool_)
    gone[users[(users >= 0) & (users < matrix.shape[0])]] = True
    kept = ~np.repeat(gone, np.diff(matrix.indptr))
    if columns:
        kept &= ~gone[matrix.indices]
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))[kept]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=matrix.shape[0]))])
    return sparse.csr_array((matrix.data[kept], matrix.indices[kept], indptr), shape=matrix.shape)


class Tastes:
    """Rows as they were fitted, and those that have changed since.

    Args:
        fitted: (n_users, n_items) from `taste_rows`.
    """

    def __init__(self, fitted: sparse.csr_array) -> None:
        self._fitted, self._changed = fitted, dict[int, Row]()
        self._stands = np.ones(fitted.shape[0], np.float32)
        self.n_items = int(fitted.shape[1])

    def grow(self, n_items: int) -> None:
        """Make room for items up to a number."""
        if n_items > self.n_items:
            self.n_items = n_items
            parts = self._fitted.data, self._fitted.indices, self._fitted.indptr
            self._fitted = sparse.csr_array(parts, shape=(self._fitted.shape[0], n_items))

    def put(self, user: int, items: IntArray, weights: FloatArray, decay: float, prior: float = 0.0) -> None:
        """Let a user's taste be that of a history, oldest first; whoever was not fitted has none."""
        worth = weights * np.float64(decay) ** np.arange(len(items))[::-1]
        codes, places = np.unique(items, return_inverse=True)
        shares = np.bincount(places, worth / (worth.sum() + prior), len(codes)).astype(np.float32)
        self._set(user, (codes.astype(np.int32), shares))

    def clear(self, user: int) -> None:
        """Let a user have no taste."""
        self._set(user, (np.zeros(0, np.int32), np.zeros(0, np.float32)))

    def _set(self, user: int, row: Row) -> None:
        if user < len(self._stands):
            self._changed[user] = row
            self._stands[user] = 0.0

    def likes(self, user: int, item: int) -> bool:
        """Return whether a user has chosen an item."""
        return bool(np.any(self._row(user)[0] == item))

    def _row(self, user: int) -> Row:
        if user in self._changed:
            return self._changed[user]
        start, stop = self._fitted.indptr[user : user + 2]
        return self._fitted.indices[start:stop], self._fitted.data[start:stop]

    def mixed(self, people: sparse.csr_array) -> FloatArray:
        """Return (B, n_items): the tastes of people, times how much each counts.

        Args:
            people: (B, n_users) of those who were fitted.
        """
        standing = people.copy()
        standing.data = standing.data * self._stands[people.indices]
        scores: FloatArray = (standing @ self._fitted).toarray().astype(np.float32, copy=False)
        for row in range(people.shape[0]) if self._changed else ():
            some = slice(people.indptr[row], people.indptr[row + 1])
            moved = np.flatnonzero(self._stands[people.indices[some]] == 0.0)
            for user, share in zip(
                people.indices[some][moved].tolist(), people.data[some][moved], strict=True
            ):
                items, shares = self._changed[user]
                scores[row, items] += share * shares
        return scores

    def matrix(self) -> sparse.csr_array:
        """Return all rows as one sparse matrix."""
        users = np.array(list(self._changed), np.int64)
        standing = without_users(self._fitted, users)
        if not len(users):
            return standing
        lengths = [len(items) for items, _ in self._changed.values()]
        items, shares = (np.concatenate(column) for column in zip(*self._changed.values(), strict=True))
        shape = (len(self._stands), self.n_items)
        moved = sparse.coo_array((shares, (np.repeat(users, lengths), items)), shape=shape)
        return (standing + moved.tocsr()).tocsr()

    def changes(self) -> Arrays:
        """Return the rows that have changed."""
        rows = list(self._changed.values())
        nothing = [_NOTHING]
        return {
            "users": np.array(list(self._changed), np.int64),
            "lengths": np.array([len(items) for items, _ in rows], np.int64),
            "items": np.concatenate([one[0] for one in rows or nothing]),
            "shares": np.concatenate([one[1] for one in rows or nothing]),
            "n_items": np.array(self.n_items),
        }

    def resume(self, changes: Arrays) -> None:
        """Take in `changes` of tastes that were fitted equally."""
        self.grow(int(changes["n_items"]))
        ends = np.cumsum(changes["lengths"])
        for user, start, stop in zip(changes["users"].tolist(), ends - changes["lengths"], ends, strict=True):
            self._set(user, (changes["items"][start:stop], changes["shares"][start:stop]))


_NOTHING: Row = np.zeros(0, np.int32), np.zeros(0, np.float32)
