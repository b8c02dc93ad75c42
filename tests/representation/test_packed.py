"""Clusters that codes come to and leave, against sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.core.compiled import REQUESTS_BEFORE_LOADING, kernels_for
from polyscene.core.growing import GrowingArray
from polyscene.representation import packed as packed_module
from polyscene.representation.packed import MIN_ROOM, PackedClusters
from polyscene.representation.products import KERNELS

N, WIDTH, CLUSTERS = 60, 3, 4
QUERY = np.array([1.0, -2.0, 0.5], np.float32)


def vectors() -> GrowingArray[np.float32]:
    return GrowingArray(np.random.default_rng(0).normal(size=(N, WIDTH)).astype(np.float32))


def assert_holds(
    packed: PackedClusters, members: dict[int, set[int]], rows: GrowingArray[np.float32]
) -> None:
    for cluster in range(CLUSTERS):
        assert sorted(packed.of(cluster).tolist()) == sorted(members[cluster])
        assert packed.sizes[cluster] == len(members[cluster])
    wanted = np.array([2, 0])
    codes, products = packed.near(wanted, QUERY)
    assert sorted(codes.tolist()) == sorted(members[2] | members[0])
    assert set(codes[: len(members[2])].tolist()) == members[2]
    np.testing.assert_allclose(products, rows.array[codes] @ QUERY, rtol=1e-5, atol=1e-6)


@given(
    first=st.lists(st.integers(0, CLUSTERS - 1), min_size=N // 2, max_size=N // 2),
    changes=st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, CLUSTERS - 1)), max_size=60),
    asked_first=st.booleans(),
)
def test_codes_come_and_leave(first: list[int], changes: list[tuple[int, int]], asked_first: bool) -> None:
    """A code that is there leaves, and comes back to a cluster with a vector of its own."""
    rows = vectors()
    cluster_of = dict(enumerate(first))
    packed = PackedClusters(np.array(first), np.arange(N // 2), CLUSTERS, rows)
    if asked_first:
        packed.near(np.array([0]), QUERY)
    for code, cluster in changes:
        if code in cluster_of:
            packed.remove(cluster_of.pop(code), code)
        else:
            rows.writable()[code] += 1.0
            packed.add(cluster, code)
            cluster_of[code] = cluster
    members = {cluster: {code for code, own in cluster_of.items() if own == cluster} for cluster in range(4)}
    assert_holds(packed, members, rows)


def test_a_cluster_outgrows_its_room_more_than_once() -> None:
    rows = vectors()
    packed = PackedClusters(np.zeros(1, np.int64), np.array([0]), CLUSTERS, rows)
    packed.near(np.array([0]), QUERY)
    for code in range(1, 3 * MIN_ROOM):
        packed.add(0, code)
    assert_holds(packed, {0: set(range(3 * MIN_ROOM)), 1: set(), 2: set(), 3: set()}, rows)


def test_numpy_and_compiled_loops_give_the_same_bits() -> None:
    rows = vectors()
    packed = PackedClusters(np.arange(N) % CLUSTERS, np.arange(N), CLUSTERS, rows)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(packed_module, "kernels_for", lambda requests, module: None)
        plain = packed.near(np.array([3, 1]), QUERY)
    assert kernels_for(REQUESTS_BEFORE_LOADING, KERNELS) is not None
    quick = packed.near(np.array([3, 1]), QUERY)
    assert [part.tobytes() for part in plain] == [part.tobytes() for part in quick]
    assert plain[0].tolist() == [*range(3, N, 4), *range(1, N, 4)]
