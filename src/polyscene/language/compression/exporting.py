"""Writes a model as a graph for ONNX Runtime or OpenVINO: tokens in, one vector per token out.

torch's own exporter does it; texts and tokens per text stay free. Pooling, normalisation and batches are not
in the graph: they are ours, and `compressed.json` beside it says which.
"""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from polyscene.core.errors import ModelError, shown
from polyscene.language.compression.compressing import Candidate
from polyscene.language.compression.copying import refuse_projection
from polyscene.language.compression.folders import save_reading, write_note
from polyscene.language.compression.judging import MEGA, dense_mb
from polyscene.language.compression.opening import open_compressed
from polyscene.language.compression.runtimes import FILES, INPUTS, ONNX, OPENVINO, OUTPUT, Form, extra
from polyscene.language.model.language_model import LanguageModel

_ONE_FILE_MB = 1500.0
"""Larger weights lie beside the graph: no ONNX file may be larger than 2 GB."""


class TokenVectors(nn.Module):
    """A module of transformers, reduced to what is exported."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return (n, length, d) token vectors of (n, length) ids and their mask."""
        hidden: Tensor = self.module(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return hidden


def export(model: LanguageModel, folder: Path, form: Form, onnx: Path | None = None) -> Candidate:
    """Write the model's graph, its tokenizer and how it reads, and open what was written.

    Args:
        model: an encoder or a decoder, its module one of transformers' own.
        folder: made where it is missing. It has to stay while the candidate is used.
        form: "onnx" or "openvino"; the latter is made from the former, so it needs both extras.
        onnx: for "openvino", the `model.onnx` of this very model, where there is one; it spares writing it.

    Raises:
        MissingExtraError: what writes or runs the graph is not installed.
        ModelError: the model cannot be written as a graph, or has a projection.
    """
    refuse_projection(model)
    folder.mkdir(parents=True, exist_ok=True)
    if form == ONNX:
        write_onnx(model, folder / FILES[ONNX])
    else:
        write_openvino(model, folder / FILES[OPENVINO], onnx)
    config: Any = model.module.config
    config.save_pretrained(folder)
    save_reading(model, folder)
    write_note(model, folder, form, {})
    graphs = [path for path in folder.iterdir() if path.name.startswith("model.")]
    return Candidate(
        model=open_compressed(folder, model.precision),
        way=form,
        stored_mb=sum(path.stat().st_size for path in graphs) / MEGA,
        save=lambda target: _copy(folder, target),
        note="read by Polyscene through the extra of the same name",
    )


def write_onnx(model: LanguageModel, path: Path) -> None:
    """Write the graph for ONNX Runtime.

    Raises:
        MissingExtraError: the extra 'onnx' is not installed.
        ModelError: the model cannot be written as a graph.
    """
    for needed in ("onnx", "onnxscript"):
        extra(needed, ONNX)
    ids = torch.zeros((2, 3), dtype=torch.long)  # (n, length): any but 1 by 1, which would be taken as fixed
    free = {name: {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC} for name in INPUTS}
    try:
        with _silence(), torch.no_grad():
            program = torch.onnx.export(
                TokenVectors(model.module.cpu()).eval(),
                (),
                kwargs=dict(zip(INPUTS, (ids, torch.ones_like(ids)), strict=True)),
                input_names=list(INPUTS),
                output_names=[OUTPUT],
                dynamic_shapes=free,
                dynamo=True,
                verbose=False,
            )
            if program is None:
                raise RuntimeError("the exporter returned nothing")
            program.save(str(path), external_data=dense_mb(model.module) > _ONE_FILE_MB)
    except Exception as error:  # the exporter raises anything
        raise ModelError(
            f"the language model {shown(model.name)} cannot be exported: {shown(str(error), 300)}; not every "
            "architecture can be written as a graph"
        ) from error


def write_openvino(model: LanguageModel, path: Path, onnx: Path | None = None) -> None:
    """Write the graph for OpenVINO, in float32: `model.xml` and `model.bin`; from `onnx`, if it is there.

    Raises:
        MissingExtraError: the extra 'onnx' or 'openvino' is not installed.
        ModelError: the model cannot be written as a graph.
    """
    library: Any = extra("openvino", OPENVINO)
    with TemporaryDirectory() as scratch:
        between = onnx or Path(scratch) / FILES[ONNX]
        if onnx is None:
            write_onnx(model, between)
        graph = library.Core().read_model(str(between))  # `convert_model` would report its use
        library.save_model(graph, str(path), compress_to_fp16=False)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporter from telling about packages that it does not need."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _copy(source: Path, target: Path) -> None:
    if source.resolve() != target.resolve():
        shutil.copytree(source, target, dirs_exist_ok=True)
