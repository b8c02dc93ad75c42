from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from polyscene.core.seeds import derived, generator

names = st.lists(st.text("abc", min_size=1, max_size=3), max_size=3)


@given(st.integers(0, 2**64), names)
def test_a_derived_seed_has_63_bits_and_never_changes(seed: int, stream: list[str]) -> None:
    value = derived(seed, *stream)
    assert 0 <= value < 2**63
    assert derived(seed, *stream) == value


def test_derived_seeds_are_the_same_on_every_machine() -> None:
    assert derived(7) == 5135535630271676732
    assert derived(7, "fusion", "shop") == 2207447362408973663


def test_streams_differ_by_seed_and_by_name() -> None:
    streams: list[tuple[int, *tuple[str, ...]]] = [
        (7,),
        (8,),
        (7, "a"),
        (7, "b"),
        (8, "a"),
        (7, "a", "b"),
        (7, "ab"),
        (7, "b", "a"),
    ]
    assert len({derived(seed, *stream) for seed, *stream in streams}) == len(streams)


def test_generators_repeat_their_stream() -> None:
    one, again, other = (generator(seed, "a").normal(size=5) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
