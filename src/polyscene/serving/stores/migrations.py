"""The numbered scripts that make the tables of a store, and bring older ones to the present version."""

from __future__ import annotations

from importlib.resources import files


def migrations(database: str, schema: str) -> list[str]:
    """Return the scripts that make a schema, in order; a version is how many of them were run.

    Args:
        database: `sqlite` or `postgres`.
        schema: `events` or `decisions`.
    """
    folder = files("polyscene.serving.stores").joinpath("sql", database, schema)
    scripts = sorted((entry.name, entry.read_text(encoding="utf-8")) for entry in folder.iterdir())
    return [script for _, script in scripts]
