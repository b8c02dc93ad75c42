import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from polyscene.core.errors import ConfigError
from polyscene.core.settings.project import Settings

Script = Callable[[str], ModuleType]
HERE = Path(__file__).resolve().parents[2] / "benchmarks"


def _pretend(folder: Path, files: tuple[str, ...]) -> Path:
    folder.mkdir()
    for name in files:
        (folder / name).touch()
    return folder


def test_every_configuration_is_known_valid_and_free_of_machine_paths(script: Script, tmp_path: Path) -> None:
    projects = script("projects")
    assert {path.stem for path in (HERE / "projects").glob("*.toml")} == set(projects.KNOWN)
    for name, known in projects.KNOWN.items():
        text = (HERE / "projects" / f"{name}.toml").read_text(encoding="utf-8")
        paths = re.findall(r'^path = "(.*)"$', text, re.MULTILINE)
        assert set(paths) == {f"{{data}}/{file}" for file in known.files}
        folder = _pretend(tmp_path / name, known.files)
        settings = Settings.load(projects.project(name, folder, tmp_path / "work"))
        assert settings.name == name
        named = {str(scenario.items.path) for scenario in settings.scenarios.values()}
        assert named <= {f"{folder}/{file}" for file in known.files}


def test_an_absent_set_says_how_to_obtain_it(script: Script, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"obtain it: Online Retail of the UCI"):
        script("projects").project("online_retail", tmp_path, tmp_path)


def test_the_data_folder_comes_from_the_environment(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects = script("projects")
    monkeypatch.setenv("POLYSCENE_DATA", str(tmp_path))
    _pretend(tmp_path / "movietweetings", projects.KNOWN["movietweetings"].files)
    settings = Settings.load(projects.project("movietweetings", work=tmp_path / "work"))
    assert settings.scenarios["video"].events.path == f"{tmp_path}/movietweetings/events.parquet"
    monkeypatch.delenv("POLYSCENE_DATA")
    assert projects.data_root() == HERE.parent.parent / "shared" / "data"


def test_a_folder_is_read_by_its_own_configuration_then_by_its_name_then_by_its_looks(
    script: Script, never_seen: Path, tmp_path: Path
) -> None:
    projects = script("projects")
    books = _pretend(tmp_path / "amazon_books", projects.KNOWN["amazon_books"].files)
    assert projects.project_of_folder(books, tmp_path).name == "amazon_books.toml"
    (books / "polyscene.toml").touch()
    assert projects.project_of_folder(books, tmp_path) == books / "polyscene.toml"
    (drafted,) = Settings.load(projects.project_of_folder(never_seen, tmp_path)).scenarios.values()
    assert (drafted.events.user, drafted.events.item) == ("listener", "song")


def test_seed_and_seen_items_can_be_told(script: Script, never_seen: Path, tmp_path: Path) -> None:
    projects = script("projects")
    settings = Settings.load(projects.project_of_folder(never_seen, tmp_path))
    changed = projects.adjusted(settings, 11, "kept")
    assert changed.seed == 11
    assert [scenario.repeats for scenario in changed.scenarios.values()] == [True]
    assert projects.adjusted(settings, None) == settings


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted((*HERE.glob("*.py"), *HERE.glob("peers/*.py")))
        if "__main__" in path.read_text(encoding="utf-8")
    ],
)
def test_the_help_of_every_command_has_an_example(path: Path) -> None:
    name = path.relative_to(HERE.parent).as_posix()
    text = path.read_text(encoding="utf-8")
    assert f"python {name} " in text.split('"""')[1]
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    assert path.name in readme
