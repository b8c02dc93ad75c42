"""Exported graphs as modules: they read tokens as the model they were made from, in another library.

A module here stands in for transformers' own, so encoding, batches, pooling and the cache stay the same.
Both libraries are extras and are imported when a graph is opened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from polyscene.core.errors import MissingExtraError, ModelError
from polyscene.core.text import shown

Form = Literal["onnx", "openvino"]
ONNX: Form = "onnx"
OPENVINO: Form = "openvino"
INPUTS, OUTPUT = ("input_ids", "attention_mask"), "token_vectors"
FILES: dict[str, str] = {ONNX: "model.onnx", OPENVINO: "model.xml"}


def extra(module: str, name: str) -> ModuleType:
    """Import what an extra brings.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"expected the package {error.name}, which the extra '{name}' brings, found none; install it: "
            f"pip install 'polyscene[{name}]'"
        ) from error


class GraphModule(nn.Module, ABC):
    """An exported graph in the place of a module of transformers.

    Args:
        vocabulary: how many token ids it knows.
    """

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, 1, device="meta")

    def get_input_embeddings(self) -> nn.Embedding:
        """Return what tells how many token ids are known; the vectors themselves lie in the graph."""
        return self.words

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> BaseModelOutput:
        """Return `last_hidden_state` (n, length, d) of (n, length) ids and their mask; no gradients."""
        return BaseModelOutput(last_hidden_state=self.run(input_ids.long(), attention_mask.long()))

    @abstractmethod
    def run(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return (n, length, d) token vectors."""


class OnnxModule(GraphModule):
    """A graph in ONNX Runtime, with as many threads as torch has when it is opened.

    Args:
        folder: with `model.onnx`.
        vocabulary: how many token ids it knows.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        ModelError: the graph cannot be read.
    """

    def __init__(self, folder: Path, vocabulary: int) -> None:
        super().__init__(vocabulary)
        library = extra("onnxruntime", ONNX)
        options = library.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # starves shared cores
        path = folder / FILES[ONNX]
        try:
            self._session = library.InferenceSession(
                str(path), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its errors share no class but Exception
            raise _unreadable(path, error) from error

    def run(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return (n, length, d) token vectors."""
        values = dict(zip(INPUTS, (ids.numpy(), mask.numpy()), strict=True))
        return torch.from_numpy(self._session.run([OUTPUT], values)[0])


class OpenVinoModule(GraphModule):
    """A graph in OpenVINO on the processor, with as many threads as torch has when it is opened.

    Args:
        folder: with `model.xml` and `model.bin`.
        vocabulary: how many token ids it knows.
        precision: of products: "float32" or "bfloat16".

    Raises:
        MissingExtraError: OpenVINO is not installed.
        ModelError: the graph cannot be read.
    """

    def __init__(self, folder: Path, vocabulary: int, precision: str) -> None:
        super().__init__(vocabulary)
        library: Any = extra("openvino", OPENVINO)
        path = folder / FILES[OPENVINO]
        asked = {
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        try:
            self._graph = library.Core().compile_model(str(path), "CPU", asked)
        except RuntimeError as error:
            raise _unreadable(path, error) from error

    def run(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return (n, length, d) token vectors."""
        values = dict(zip(INPUTS, (ids.numpy(), mask.numpy()), strict=True))
        return torch.from_numpy(self._graph(values)[OUTPUT].copy())


def _unreadable(path: Path, error: Exception) -> ModelError:
    return ModelError(
        f"expected an exported language model in {shown(str(path), 200)}, found one that cannot be read: "
        f"{shown(str(error), 200)}; export the model again"
    )
