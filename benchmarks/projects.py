"""Which project a benchmark runs on: a set that is known by name, a folder of tables, or a configuration.

The configurations in `projects/` say `{data}` where the set's folder belongs; `project` writes a copy with
the real one into the work folder, so that no path of any machine is ever committed. Nothing here trains.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from polyscene.core.errors import ConfigError, Problem
from polyscene.core.progress import Progress
from polyscene.core.settings.project import Settings
from polyscene.core.text import shown
from polyscene.data.drafting.project import guess_project
from polyscene.project import Project

HERE = Path(__file__).resolve().parent
WORK = HERE / ".work"
CONFIG = "polyscene.toml"


@dataclass(frozen=True)
class KnownSet:
    """Where a named set lies below the data folder, and how a user obtains it."""

    folder: str
    files: tuple[str, ...]
    obtain: str


_AMAZON = KnownSet(
    "amazon_beauty_sports_toys",
    ("items.parquet", "events.parquet"),
    "rec_datasets/{Beauty,Sports,Toys} of agiresearch/IDGenRec on GitHub: events.parquet with user_id, "
    "item_id, order, scenario; items.parquet with item_id, keywords, scenario",
)
KNOWN: dict[str, KnownSet] = {
    "amazon_three": _AMAZON,
    "amazon_beauty": _AMAZON,
    "amazon_sports": _AMAZON,
    "amazon_toys": _AMAZON,
    "online_retail": KnownSet(
        "online_retail",
        ("invoices.csv.gz",),
        "Online Retail of the UCI Machine Learning Repository (no. 352), saved as CSV with its own column "
        "names and packed as invoices.csv.gz",
    ),
    "stackexchange_travel": KnownSet(
        "stackexchange_travel",
        ("items.parquet", "events.parquet"),
        "travel_stackexchange_com_2017 of gagolews/teaching-data on GitHub: items.parquet with item_id, "
        "title, published; events.parquet with user_id, item_id, timestamp, action (ask, answer, comment, "
        "favourite)",
    ),
    "movietweetings": KnownSet(
        "movietweetings",
        ("items.parquet", "events.parquet"),
        "snapshots/100K of sidooms/MovieTweetings on GitHub: items.parquet with item_id, title, genres; "
        "events.parquet with user_id, item_id, rating, timestamp",
    ),
    "amazon_books": KnownSet(
        "amazon_books",
        ("items.parquet", "sequences.parquet"),
        "data/Amazon_Books of WANGBohaO-jpg/MSL on GitHub: items.parquet with item_id, title; "
        "sequences.parquet with user_id, item_ids, timestamp, split",
    ),
    "lastfm": KnownSet(
        "lastfm",
        ("items.parquet", "events.parquet", "links.parquet"),
        "HetRec 2011 Last.fm of GroupLens (also data/*.dat of terrytmp/Recommender on GitHub): items.parquet "
        "with item_id, name; events.parquet with user_id, item_id; links.parquet with user_id, friend_id",
    ),
    "movielens_100k": KnownSet(
        "movielens_100k",
        ("items.parquet", "events.parquet"),
        "ml-100k of GroupLens: items.parquet with item_id, title, year, genres; events.parquet with user_id, "
        "item_id, rating, timestamp",
    ),
}


def data_root() -> Path:
    """Return the folder of the sets: `POLYSCENE_DATA`, or `../shared/data` beside the repository."""
    named = os.environ.get("POLYSCENE_DATA")
    return Path(named) if named else HERE.parent.parent / "shared" / "data"


def project(name_or_config: str | Path, data: Path | None = None, work: Path = WORK) -> Path:
    """Return a configuration that can be opened: a resolved copy of a named set's, or the file itself.

    Args:
        name_or_config: a key of `KNOWN`, or a configuration file.
        data: the folder with the set's tables; default: where `data_root` has it.
        work: where resolved copies and their runs lie.

    Raises:
        ConfigError: no such set, or its tables are not there; the text says how to obtain them.
    """
    if isinstance(name_or_config, Path):
        return name_or_config
    known = KNOWN.get(name_or_config)
    if known is None:
        raise _problem("there is no such set", ", ".join(KNOWN), shown(name_or_config), "choose one of these")
    folder = (data_root() / known.folder if data is None else data).resolve()
    missing = [name for name in known.files if not (folder / name).is_file()]
    if missing:
        actual = f"{folder} without {', '.join(missing)}"
        raise _problem("the set is not there", ", ".join(known.files), actual, f"obtain it: {known.obtain}")
    text = (HERE / "projects" / f"{name_or_config}.toml").read_text(encoding="utf-8")
    return _write(work / f"{name_or_config}.toml", text.replace("{data}", folder.as_posix()))


def project_of_folder(folder: Path, work: Path = WORK) -> Path:
    """Return the configuration of a folder of tables.

    It is the folder's own `polyscene.toml`; else, where the folder bears the name of a known set and holds
    its files, that set's; else one drafted from what the tables look like.

    Raises:
        DataError: no table looks like events.
    """
    if (folder / CONFIG).is_file():
        return folder / CONFIG
    for name, known in KNOWN.items():
        if folder.resolve().name == known.folder and all((folder / file).is_file() for file in known.files):
            return project(name, folder, work)
    draft = guess_project([folder])
    return _write(work / f"drafted_{draft.name}.toml", draft.to_toml(work))


def add_project_arguments(parser: argparse.ArgumentParser) -> None:
    """Let a command be told what to run on, and with which seed."""
    parser.add_argument(
        "--set", dest="name", choices=KNOWN, metavar="NAME", help=f"one of {', '.join(KNOWN)}"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="a folder of tables, with a polyscene.toml or without; with --set: where that set's tables are",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="a polyscene.toml")
    parser.add_argument("--seed", type=int, metavar="N", help="default: the one of the configuration")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--work", type=Path, default=WORK, metavar="FOLDER", help="default: benchmarks/.work")
    parser.add_argument(
        "--seen",
        choices=("auto", "kept", "removed"),
        default="auto",
        help="may a list show what the user already has? default: whether anyone repeats in training",
    )


def chosen_project(
    options: argparse.Namespace, progress: Progress | None = None, cache: Path | None = None
) -> Project:
    """Open the project that the arguments name; its runs always go to the work folder.

    Args:
        options: what `add_project_arguments` understood.
        progress: who hears of long work.
        cache: where encoded texts are kept; default: as configured, so that only new ones cost time.

    Raises:
        ConfigError: nothing was named, or it cannot be used.
    """
    if options.config is not None:
        config = Path(options.config)
    elif options.name is not None:
        config = project(options.name, options.data, options.work)
    elif options.data is not None:
        config = project_of_folder(options.data, options.work)
    else:
        remedy = "for example --set amazon_beauty, or --data FOLDER"
        raise _problem("nothing to run on", "--set, --data or --config", "none of them", remedy)
    settings = adjusted(Settings.load(config), options.seed, options.seen)
    base = config.resolve().parent
    runtime: dict[str, str] = {} if cache is None else {"cache": str(cache.resolve())}
    if base != options.work.resolve():
        runtime["runs"] = (options.work / "runs" / base.name).resolve().as_posix()
    changed = settings.runtime.model_copy(update=runtime)
    return Project(settings.model_copy(update={"runtime": changed}), base, config.name, progress)


def adjusted(settings: Settings, seed: int | None, seen: str = "auto") -> Settings:
    """Return the settings with another seed, and with lists that keep or leave out what users have."""
    changes: dict[str, object] = {} if seed is None else {"seed": seed}
    if seen != "auto":
        changes["scenarios"] = {
            name: scenario.model_copy(update={"repeats": seen == "kept"})
            for name, scenario in settings.scenarios.items()
        }
    return settings.model_copy(update=changes)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _problem(what: str, expected: str, actual: str, remedy: str) -> ConfigError:
    return ConfigError(Problem(what, expected, actual, remedy))
