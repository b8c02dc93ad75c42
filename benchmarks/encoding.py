"""Encoding beside sentence-transformers' default call: same texts, same threads, in turns, in one run.

    python benchmarks/encoding.py --json encoding.json
    python benchmarks/encoding.py --data FOLDER --texts 12000 --ways fast int8 openvino

FOLDER holds Parquet tables or text files, a text per line; of a table the column with most words is read
(`items.parquet` alone where there is one). Without a folder the texts are those of the sample world.
The reference runs in an environment of its own, made below the work folder with the versions of
constraints.txt (the first time needs a package index), or in the one that --python names. It gets the same
weights, the same number of threads, the same waiting policy and the same texts, after Polyscene's clean-up of
them (look-alike letters, invisible characters), so that what is compared is encoding alone.
"By work" is the ratio of processor seconds, which a busy machine disturbs less than the clock's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import prepared  # noqa: F401 - numpy and torch read it when they load

# isort: split
import numpy as np

from polyscene.core.errors import PolysceneError
from polyscene.core.settings.language import LanguageSettings
from polyscene.core.threads import has_fast_bfloat16, set_threads
from polyscene.core.types import FloatArray
from polyscene.evaluation.provenance import machine, versions
from polyscene.language.compression.exporting import export
from polyscene.language.compression.int8 import to_int8
from polyscene.language.compression.judging import neighbours_kept
from polyscene.language.model.language_model import LanguageModel
from polyscene.language.model.loading import load_model
from polyscene.language.model.packed_bert import packed
from polyscene.language.model.sources import locate
from polyscene.language.text.encoding import distinct_texts, encode, tokenised
from polyscene.language.text.normalisation import normalise
from projects import WORK
from showing import Telling, table, write_json
from texts import texts_of
from usual_encoder import REFERENCE_NAME, Reference, Taken, environment, reference

TEXTS, ROUNDS, SINGLE = 12_000, 3, 200
Encode = Callable[[Sequence[str]], FloatArray]


def taken(model: LanguageModel, texts: Sequence[str]) -> tuple[FloatArray, Taken]:
    """Encode texts and return what it took."""
    start, work = perf_counter(), process_time()
    vectors = encode(model, texts)
    return vectors, Taken(perf_counter() - start, process_time() - work)


def plain(model: LanguageModel, texts: Sequence[str], scratch: Path) -> LanguageModel:
    """Return the model as it is loaded, with the forward pass of transformers."""
    return model


def fast(model: LanguageModel, texts: Sequence[str], scratch: Path) -> LanguageModel:
    """Return the model with a forward pass of our own."""
    return packed(model)


def int8(model: LanguageModel, texts: Sequence[str], scratch: Path) -> LanguageModel:
    """Return the model in eight bits, calibrated on the first texts."""
    return to_int8(model, texts[:300]).model


def onnx(model: LanguageModel, texts: Sequence[str], scratch: Path) -> LanguageModel:
    """Return the model as a graph of ONNX Runtime."""
    return export(model, scratch / "onnx", "onnx").model


def openvino(model: LanguageModel, texts: Sequence[str], scratch: Path) -> LanguageModel:
    """Return the model as a graph of OpenVINO."""
    return export(model, scratch / "openvino", "openvino").model


WAYS: dict[str, Callable[[LanguageModel, Sequence[str], Path], LanguageModel]] = {
    "transformers": plain,
    "fast": fast,
    "int8": int8,
    "onnx": onnx,
    "openvino": openvino,
}


def compare(
    models: Mapping[str, LanguageModel], texts: Sequence[str], asked: Reference, rounds: int
) -> dict[str, Any]:
    """Encode everything with everybody in turns, then single texts; compare vectors with the reference's."""
    times: dict[str, list[Taken]] = {name: [] for name in (REFERENCE_NAME, *models)}
    vectors: dict[str, FloatArray] = {}
    for _ in range(rounds):
        times[REFERENCE_NAME].append(asked.seconds("all"))
        for name, model in models.items():
            vectors[name], needed = taken(model, texts)
            times[name].append(needed)
    singles = single_texts(models, texts, asked)
    rows = np.unique(distinct_texts(texts)[1], return_index=True)[1]
    vectors[REFERENCE_NAME] = asked.vectors()
    least = {name: Taken(*map(min, zip(*rounds_, strict=True))) for name, rounds_ in times.items()}
    usual = least[REFERENCE_NAME]
    return {
        name: {
            "texts_per_second": round(len(texts) / least[name].clock, 1),
            "ratio": round(usual.clock / least[name].clock, 3),
            "ratio_of_work": round(usual.work / least[name].work, 3),
            "ratios": [round(a.clock / b.clock, 3) for a, b in zip(times[REFERENCE_NAME], own, strict=True)],
            **likeness(vectors[REFERENCE_NAME][rows], vectors[name][rows]),
            **singles[name],
        }
        for name, own in times.items()
    }


def likeness(ours: FloatArray, theirs: FloatArray) -> dict[str, float]:
    """Return how alike (n, d) vectors of the same n different texts are; both in [0, 1] where all is well."""
    has_text = (np.linalg.norm(ours, axis=1) > 0) & (np.linalg.norm(theirs, axis=1) > 0)
    cosines = np.sum(ours[has_text] * theirs[has_text], axis=1, dtype=np.float64)
    kept = neighbours_kept(ours[has_text], theirs[has_text])
    return {
        "cosine": round(float(cosines.mean()), 6),
        "worst_cosine": round(float(cosines.min()), 6),
        "top10": round(kept, 4),
    }


def single_texts(
    models: Mapping[str, LanguageModel], texts: Sequence[str], asked: Reference
) -> dict[str, dict[str, float]]:
    """Return median and 99th percentile, in ms, of encoding one text at a time, everybody in turns."""
    times: dict[str, list[float]] = {name: [] for name in (REFERENCE_NAME, *models)}
    for number in range(SINGLE):
        place = number % len(texts)
        times[REFERENCE_NAME].append(asked.seconds(str(place)).clock)
        for name, model in models.items():
            times[name].append(taken(model, [texts[place]])[1].clock)
    return {
        name: {f"p{part}_ms": round(1000 * float(np.percentile(own, part)), 2) for part in (50, 99)}
        for name, own in times.items()
    }


def side_by_side(texts: Sequence[str], scratch: Path, processes: int) -> float:
    """Return texts per second of several processes that all encode everything at the same time."""
    handed = scratch / "together.json"
    handed.write_text(json.dumps(list(texts)), encoding="utf-8")
    command = [sys.executable, __file__, "--encode", str(handed)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    outputs = [process.stdout for process in running if process.stdout is not None]
    ready = [line.readline() for line in outputs]
    start = perf_counter()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    done = [line.readline() for line in outputs]
    seconds = perf_counter() - start
    for process in running:
        process.communicate()
    if not all((*ready, *done)):
        raise subprocess.CalledProcessError(1, command)
    return processes * len(texts) / seconds


def encode_alone(handed: Path) -> None:
    """Load the model, say so, wait for a line, encode the texts: what `side_by_side` runs."""
    texts = json.loads(handed.read_text(encoding="utf-8"))
    set_threads()
    model = packed(load_model(LanguageSettings()))
    encode(model, texts[:64])
    print("ready", flush=True)
    sys.stdin.readline()
    encode(model, texts)
    print("done", flush=True)


def shown(results: Mapping[str, Any]) -> str:
    """Return the table and what it was measured on."""
    rows = [
        [
            name,
            f"{line['texts_per_second']:,.0f}",
            f"{line['ratio']:.2f}",
            f"{line['ratio_of_work']:.2f}",
            f"{line['cosine']:.5f}",
            f"{line['worst_cosine']:.5f}",
            f"{line['top10']:.4f}",
            f"{line['p50_ms']:.1f}",
            f"{line['p99_ms']:.1f}",
        ]
        for name, line in results["models"].items()
    ]
    head = ["model", "texts/s", "ratio", "by work", "cosine", "worst", "top-10", "one p50 ms", "one p99 ms"]
    bf16 = "multiplies bf16" if results["fast_bfloat16"] else "does not multiply bf16: float32 throughout"
    together = results["side_by_side"]
    return "\n".join(
        [
            f"{results['texts']:,} texts of {results['tokens_per_text']:.1f} tokens, "
            f"{results['threads']} threads",
            table(head, rows),
            f"this processor {bf16}",
            f"fast: one process {together['1']:,.0f} texts/s, two at once {together['2']:,.0f} in all",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Encode, compare, print, write."""
    options = _parser().parse_args(arguments)
    if options.encode is not None:
        encode_alone(options.encode)
        return 0
    try:
        results = measure(options)
    except PolysceneError as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"the reference failed: {shown_command(error)}", file=sys.stderr)
        return 1
    print(shown(results))
    if options.json is not None:
        write_json(options.json, results)
    return 0


def shown_command(error: subprocess.CalledProcessError) -> str:
    """Return what failed and how, without the program that was handed to it."""
    return f"{Path(str(error.cmd[0])).name} ended with status {error.returncode}; its own words stand above"


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return everything for the table and the JSON file."""
    texts = [normalise(text) for text in texts_of(options.data, options.texts, options.seed)]
    threads, settings = set_threads(), LanguageSettings()
    model = load_model(settings, progress=Telling())
    python = options.python or environment(options.work.resolve(), sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        models = {name: WAYS[name](model, texts, scratch) for name in options.ways}
        for each in models.values():
            encode(each, texts[:64])
        with reference(python, locate(settings), texts, scratch, threads) as asked:
            lines = compare(models, texts, asked, options.rounds)
        few = texts[: max(1, len(texts) // 4)]
        together = {str(count): round(side_by_side(few, scratch, count), 1) for count in (1, 2)}
    return {
        "texts": len(texts),
        "tokens_per_text": round(float(np.mean([len(row) for row in tokenised(model, texts)])), 2),
        "threads": threads,
        "fast_bfloat16": has_fast_bfloat16(),
        "precision": model.precision,
        "models": lines,
        "side_by_side": together,
        "seed": options.seed,
        "machine": machine(),
        "versions": versions(),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="of texts; default: the sample world's")
    parser.add_argument("--texts", type=int, default=TEXTS, metavar="N", help=f"at most; default: {TEXTS:,}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="the best counts; default: 3")
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=["transformers", "fast"], help="whom to compare"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of the texts that are drawn")
    parser.add_argument("--work", type=Path, default=WORK, metavar="FOLDER", help="default: benchmarks/.work")
    parser.add_argument("--python", type=Path, metavar="FILE", help="of an environment with the reference")
    parser.add_argument("--encode", type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
