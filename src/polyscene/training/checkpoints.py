"""Checkpoints: one file that a training goes on from to the same weights. Tensors and JSON, never pickle.

The file is safetensors; the JSON stands in its header. A killed writer leaves the checkpoint before it whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Optimizer

from polyscene.core.errors import RunError
from polyscene.core.files import replacing

FORMAT = 2
_HEADER = "polyscene.training"


@dataclass(frozen=True)
class Checkpoints:
    """Where a training keeps its checkpoint, and how often it writes one.

    Attributes:
        path: the file; its folder is made. It stays when the training is done: the same training then
            returns at once with the same weights, until `clear`.
        every: optimiser steps between two checkpoints, at least 1.
        fingerprint: what the training starts from, as the digest of data and model; a checkpoint with
            another one is refused.
    """

    path: Path
    every: int = 100
    fingerprint: str = ""

    def save(self, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Replace the checkpoint in one step.

        Raises:
            RunError: it cannot be written; the one before it is still there.
        """
        header = {_HEADER: json.dumps({"format": FORMAT, "fingerprint": self.fingerprint, "facts": facts})}
        kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        try:
            with replacing(self.path) as partial:
                save_file(kept, partial, metadata=header)
        except (OSError, SafetensorError) as error:
            raise RunError(
                f"expected to write a checkpoint to {self.path}, found {error}; "
                "make room there or choose another folder"
            ) from error

    def load(self, identity: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Return what was saved last; None where nothing was.

        Args:
            identity: what the facts must say under "identity" to be of the same training.

        Raises:
            RunError: the file is damaged, or of another format or training.
        """
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                header = json.loads((file.metadata() or {})[_HEADER])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise self._refused("a whole checkpoint", f"a damaged one ({error})") from error
        if header["format"] != FORMAT:
            raise self._refused(f"a checkpoint of format {FORMAT}", f"format {header['format']}")
        if header["fingerprint"] != self.fingerprint:
            raise self._refused("a checkpoint of the same data and model", "one of others")
        known = header["facts"]["identity"]
        other = [name for name in identity if identity[name] != known.get(name)]
        if other:
            raise self._refused("a checkpoint of the same training", f"another {' and '.join(other)}")
        return header["facts"], tensors

    def clear(self) -> None:
        """Remove the checkpoint, so that the next training starts anew."""
        self.path.unlink(missing_ok=True)

    def _refused(self, expected: str, found: str) -> RunError:
        return RunError(f"expected {expected} in {self.path}, found {found}; remove the file to start anew")


def optimiser_state(optimiser: Optimizer) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return an optimiser's state as JSON and named tensors."""
    state = optimiser.state_dict()
    numbers: dict[str, dict[str, Any]] = {}
    tensors: dict[str, Tensor] = {}
    for place, entries in state["state"].items():
        numbers[str(place)] = {}
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{place}/{name}"] = value
            else:
                numbers[str(place)][name] = value
    return {"groups": state["param_groups"], "numbers": numbers}, tensors


def restore_optimiser(optimiser: Optimizer, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Put an optimiser's state back."""
    state: dict[int, dict[str, Any]] = {int(place): dict(entry) for place, entry in facts["numbers"].items()}
    for key, tensor in tensors.items():
        place, name = key.split("/", 1)
        state[int(place)][name] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": facts["groups"]})


def chance_state(devices: list[int]) -> dict[str, Tensor]:
    """Return the states of torch's random streams: of the processor and of the named CUDA devices."""
    cuda = {f"cuda/{index}": torch.cuda.get_rng_state(index) for index in devices}
    return {"cpu": torch.get_rng_state(), **cuda}


def restore_chance(states: Mapping[str, Tensor]) -> None:
    """Put torch's random streams back."""
    for name, state in states.items():
        if name == "cpu":
            torch.set_rng_state(state)
        else:
            torch.cuda.set_rng_state(state, int(name.removeprefix("cuda/")))
