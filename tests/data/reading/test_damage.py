"""Whatever is done to a file, the answer is a report: never a crash, never another file's problem hidden."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyscene.core.settings.project import Settings
from polyscene.data.reading.check import check_project

FRAME = pl.DataFrame(
    {
        "who": ["u1", "u2", "u1"] * 20,
        "what": ["a", "b", "c"] * 20,
        "stars": [1.5, None, 3] * 20,
        "at": ["2024-01-01 10:00:00", "2024-01-02", "2024-01-03T10:00:00Z"] * 20,
    }
)


def written(kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "parquet":
        FRAME.write_parquet(buffer)
    elif kind == "jsonl":
        FRAME.write_ndjson(buffer)
    else:
        FRAME.write_csv(buffer)
    return gzip.compress(buffer.getvalue(), mtime=0) if kind.endswith("gz") else buffer.getvalue()


@st.composite
def damages(draw: st.DrawFn) -> Any:
    """Draw a place (as a share of the file), how much is taken out there, and what is put in."""
    noise = st.binary(max_size=6) | st.sampled_from([b"\n", b'"', b",", b"\xff", b"\x00", b"{", b"[", b"\r"])
    return draw(st.floats(0, 1)), draw(st.sampled_from([0, 0, 1, 4, 50, 10**9])), draw(noise)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "csv.gz"])
@given(damage=damages())
@settings(max_examples=60)
def test_damage_is_reported_and_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, kind: str, damage: tuple[float, int, bytes]
) -> None:
    share, taken, put = damage
    content = written(kind)
    place = int(share * len(content))
    folder = Path(tmp_path_factory.mktemp("damaged"))
    (folder / f"events.{kind}").write_bytes(content[:place] + put + content[place + taken :])
    (folder / "items.csv").write_text("id,title\na,A\nb,B\nb,C\n")
    events = {"path": f"events.{kind}", "user": "who", "item": "what", "value": "stars", "time": "at"}
    items = {"path": "items.csv", "id": "id", "text": ["title"], "where": "title is not null"}
    report = check_project(
        Settings.parse({"scenarios": {"shop": {"items": items, "events": {**events, "where": "stars > 1"}}}}),
        folder,
    )
    assert "an id occurs again" in [problem.what for problem in report.problems]
    assert all("\n" not in problem.found for problem in report.problems)
