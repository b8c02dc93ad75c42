"""Several processes that share their batches learn what one learns that takes them together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from polyscene.core.settings.tuning import OptimiserSettings
from polyscene.training.backend import OneProcess, share_of
from polyscene.training.budget import Budget
from polyscene.training.checkpoints import Checkpoints
from polyscene.training.loop import Curve, fit
from polyscene.training.plan import Plan

SETTINGS = OptimiserSettings(learning_rate=0.02)


class Threads:
    """Threads in the place of processes; each has its own view."""

    def __init__(self, rank: int, slots: list[list[Tensor]], barrier: threading.Barrier) -> None:
        self.rank, self.world_size = rank, len(slots)
        self._slots, self._barrier = slots, barrier

    def all_reduce(self, tensors: Sequence[Tensor]) -> None:
        self._slots[self.rank] = [tensor.clone() for tensor in tensors]
        self.barrier()
        for tensor, *parts in zip(tensors, *self._slots, strict=True):
            tensor.copy_(torch.stack(parts).mean(dim=0))
        self.barrier()

    def barrier(self) -> None:
        self._barrier.wait(timeout=60)


def in_threads(count: int, train: Callable[[Any], Curve]) -> list[Curve]:
    """Train in every thread at once; return each one's curve."""
    slots: list[list[Tensor]] = [[] for _ in range(count)]
    barrier, curves = threading.Barrier(count), [Curve() for _ in range(count)]

    def work(rank: int) -> None:
        try:
            curves[rank] = train(Threads(rank, slots, barrier))
        except BaseException:
            barrier.abort()
            raise

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return curves


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_shares_are_disjoint_equal_and_nearly_everything(world_size: int) -> None:
    shares = []
    for rank in range(world_size):
        backend = Threads(rank, [[]] * world_size, threading.Barrier(1))
        shares.append(list(share_of(range(8), backend)))
    assert {len(share) for share in shares} == {8 // world_size}
    assert sorted(batch for share in shares for batch in share) == list(range(8 - 8 % world_size))


def test_two_processes_learn_what_one_learns_from_both_shares(
    reader: Callable[..., nn.Module], reading: Callable[..., Any]
) -> None:
    together = reading(reader(0, dropout=0.0), n=16)
    two_at_once = SETTINGS.model_copy(update={"accumulation": 2})
    expected = fit({"a": together}, {"a": 1.0}, Plan(Budget(epochs=3), two_at_once), np.random.default_rng(1))
    learners = [reading(reader(0, dropout=0.0), n=16) for _ in range(2)]

    def train(backend: Threads) -> Curve:
        plan = Plan(Budget(epochs=3), SETTINGS, backend=backend)
        return fit({"a": learners[backend.rank]}, {"a": 1.0}, plan, np.random.default_rng(1))

    curves = in_threads(2, train)
    assert curves[0].validation == curves[1].validation
    np.testing.assert_allclose(curves[0].validation, expected.validation, rtol=1e-4)
    assert curves[0].steps == expected.steps
    for name, value in together.weights().items():
        for learner in learners:
            torch.testing.assert_close(learner.weights()[name], value, rtol=1e-3, atol=1e-5)


def test_only_the_first_process_writes_checkpoints(
    reader: Callable[..., nn.Module], reading: Callable[..., Any], tmp_path: Any
) -> None:
    files = [Checkpoints(tmp_path / f"{rank}.safetensors", every=1) for rank in range(2)]
    learners = [reading(reader(0, dropout=0.0), n=16) for _ in range(2)]

    def train(backend: Threads) -> Curve:
        plan = Plan(Budget(steps=2), SETTINGS, backend=backend, checkpoints=files[backend.rank])
        return fit({"a": learners[backend.rank]}, {"a": 1.0}, plan, np.random.default_rng(1))

    in_threads(2, train)
    assert [file.path.exists() for file in files] == [True, False]


def test_one_process_changes_nothing() -> None:
    tensor = torch.tensor([1.0, 2.0])
    backend = OneProcess()
    backend.all_reduce([tensor])
    backend.barrier()
    assert tensor.tolist() == [1.0, 2.0]
    assert list(share_of("abc", backend)) == ["a", "b", "c"]
