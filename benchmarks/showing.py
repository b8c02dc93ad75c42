"""How benchmarks show their results: plain tables on standard output, JSON in a file, notes beside them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from polyscene.core.files import write_text
from polyscene.core.progress import Silent
from polyscene.evaluation.results import SYSTEM

COLUMNS = (
    "hr@{k}",
    "ndcg@{k}",
    "mrr",
    "auc",
    "ndcg@{k}/new_items",
    "ndcg@{k}/cold_items",
    "ndcg@{k}/cold_users",
)


class Telling(Silent):
    """Tells finished steps and notes on standard error, a line each, so that tables stay clean."""

    def say(self, text: str) -> None:
        """Print the line."""
        print(text, file=sys.stderr, flush=True)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write the results, whole or not at all."""
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a plain table: the first column to the left, numbers to the right."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    drawn = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([drawn[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *drawn[1:]])


def result_tables(summary: Mapping[str, Any], extra: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """Return one table per scenario of what `Results.to_json` gives, best NDCG first.

    Args:
        summary: the results.
        extra: further columns, each a text by model name.
    """
    k = 10 if 10 in summary["cutoffs"] else summary["cutoffs"][0]
    names = [column.format(k=k) for column in COLUMNS]
    parts = []
    for scenario, results in summary["scenarios"].items():
        models = sorted(results["models"].items(), key=lambda pair: -pair[1].get(names[1], 0.0))
        rows = [
            [model, *(_number(row.get(name)) for name in names), *_more(model, extra)]
            for model, row in models
        ]
        columns = ["model", *names, *(extra or {})]
        parts += [_title(scenario, results), table(columns, rows), *_leads(results["differences"]), ""]
    return "\n".join(parts)


def _title(scenario: str, results: Mapping[str, Any]) -> str:
    slices = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in results["slices"].items())
    return (
        f"{scenario}: {results['choices']:,} choices of {results['users']:,} users ({slices}); protocol "
        f"{results['protocol']}, full ranking, items a user already has are {results['seen_items']}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _more(model: str, extra: Mapping[str, Mapping[str, str]] | None) -> list[str]:
    return [column.get(model, "-") for column in (extra or {}).values()]


def _leads(differences: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"{SYSTEM} - {lead['against']}, {metric}: {lead_text(lead)}" for metric, lead in differences.items()
    ]


def lead_text(lead: Mapping[str, Any]) -> str:
    """Return a difference with its interval and what it allows to say."""
    bounds = f" [{lead['low']:+.4f}, {lead['high']:+.4f}]" if "low" in lead else ""
    verdict = "better" if lead["better"] else "worse" if lead["worse"] else "no difference shown"
    return f"{lead['mean']:+.4f}{bounds} {verdict}"
