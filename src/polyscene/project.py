"""A project: one configuration, its tables, and the runs that were trained on them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyscene.core.disk import demand_room
from polyscene.core.display import listed
from polyscene.core.progress import Progress, Silent
from polyscene.core.settings.project import Settings
from polyscene.core.threads import set_threads
from polyscene.runs.folder import REMEDY, find_run, run_ids

if TYPE_CHECKING:  # each method loads what it needs: asking a run needs neither torch nor transformers
    from polyscene.data.schema import Dataset
    from polyscene.evaluation.importance import ChoicesOf, Importance
    from polyscene.evaluation.repeated import Repeated
    from polyscene.evaluation.results import Results
    from polyscene.language.compression.compressing import Compressed
    from polyscene.language.compression.judging import Bounds
    from polyscene.language.compression.ways import CompressionRequest
    from polyscene.learning.checking import ProjectReport
    from polyscene.learning.ratings import RatingResults, RatingSettings
    from polyscene.learning.search import SearchResult
    from polyscene.learning.sharing_comparison import ComparedForm
    from polyscene.learning.time_budget import TimeBudget
    from polyscene.learning.training_data import TrainingData
    from polyscene.runs.importance import ImportanceRequest
    from polyscene.runs.run import Run

USUAL_BASELINES = ("popularity", "random", "ease", "item_knn", "als", "markov")
"""What `Project.compare` judges unless it is told otherwise."""


class Project:
    """Trains, judges and opens runs.

    Attributes:
        settings: the validated configuration.
        base: the folder that relative paths start from.
        config: the configuration file's name, which ties runs to it.
        progress: who hears of long work.
    """

    def __init__(
        self, settings: Settings, base: Path, config: str = "polyscene.toml", progress: Progress | None = None
    ) -> None:
        self.settings, self.base, self.config = settings, base, config
        self.progress = progress or Silent()

    @classmethod
    def open(cls, path: str | Path = "polyscene.toml", progress: Progress | None = None) -> Project:
        """Read a configuration file; relative paths in it start from its folder.

        Raises:
            ConfigError: it is missing or cannot be used; all problems are listed.
        """
        file = Path(path)
        project = cls(Settings.load(file), file.resolve().parent, file.name, progress)
        for note in project.settings.notes:
            project.progress.say(note)
        return project

    @classmethod
    def from_frames(
        cls,
        events: Any,  # noqa: ANN401 - a data frame of any library
        items: Any = None,  # noqa: ANN401 - as above
        users: Any = None,  # noqa: ANN401 - as above
        *,
        scenario: str = "main",
        folder: str | Path | None = None,
        settings: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> Project:
        """Make a project of data frames, without a configuration file: columns are guessed as `init` does.

        Args:
            events: a row per event (user, item, time …); polars, pandas, or a dictionary of columns.
            items: a row per item, with its texts and attributes; None: what the events say of them.
            users: a row per user.
            scenario: what the scenario is called.
            folder: where tables and runs are kept; None: in a temporary folder, gone with the process.
            settings: as in the configuration, nested; they beat what is guessed. Where they name `user` and
                `item` of the events and `id` of the items, nothing is guessed.
            progress: hears of long work, and of what was guessed and should be decided.

        Raises:
            DataError: a frame is no table, or none looks like events.
            ConfigError: the settings cannot be used.
        """
        from polyscene.data.drafting.frames import kept_frames, temporary_folder

        base = temporary_folder() if folder is None else Path(folder)
        frames = {"events": events, "items": items, "users": users}
        values, decisions = kept_frames(frames, base, scenario, settings or {})
        project = cls(Settings.parse(values), base.resolve(), f"{scenario}.toml", progress)
        for setting in decisions:
            project.progress.say(f"please decide: {setting} was guessed without being sure; set it")
        return project

    def __repr__(self) -> str:
        names = listed(list(self.settings.scenarios))
        runs = f"{len(self.runs())} runs in {self.runs_folder}"
        return f"Project({self.settings.name!r}, scenarios: {names}; {runs})"

    @property
    def runs_folder(self) -> Path:
        """Where this configuration's runs lie."""
        return self.base / self.settings.runtime.runs / Path(self.config).stem

    @cached_property
    def dataset(self) -> Dataset:
        """The tables, read when they are first needed.

        Raises:
            DataError: they cannot be used; all problems are listed.
        """
        from polyscene.data.reading.dataset import read_dataset

        return read_dataset(self.settings, self.base, self.progress)

    def check(self) -> ProjectReport:
        """Look for every problem of tables and language model without stopping at the first."""
        from polyscene.learning.checking import check_everything

        return check_everything(self.settings, self.base, self.progress, self.config)

    def runs(self) -> list[str]:
        """Return the ids of the finished runs, oldest first."""
        return run_ids(self.runs_folder)

    def run(self, run_id: str | None = None) -> Run:
        """Open a run; None means the newest.

        Raises:
            UnknownIdError: there is no such run.
            RunError: it cannot be read.
        """
        from polyscene.runs.run import Run

        return Run(find_run(self.runs_folder, run_id), self.settings.scenarios, self.settings.index)

    def train(
        self,
        everything_counts: bool = False,
        budget: float | str | TimeBudget | None = None,
        importance: bool = False,
    ) -> Run:
        """Fit the whole system and leave a run behind, whole or not at all.

        Args:
            everything_counts: learn from the test part too; such a run serves best and cannot be judged.
            budget: how long it may take, in seconds or as "2m"; what is left out for it, the run tells.
            importance: measure what every signal carries on the choices held out, for `importance`.

        Raises:
            DataError: the tables cannot be used.
            ConfigError: the protocol does not fit the tables, a reader not the model; the budget is no time.
            ModelError: the language model cannot be used.
            RunError: the folder of the runs cannot be written, or its disk is full: told before the work.
        """
        demand_room(self.runs_folder, 0, REMEDY)  # before torch is loaded, and hours before it is needed
        from polyscene.runs.run import Run
        from polyscene.runs.training import train_run

        set_threads(self.settings.runtime.threads)
        folder = train_run(self, everything_counts, budget, importance)
        return Run(folder, self.settings.scenarios, self.settings.index)

    def evaluate(self, run: Run | None = None) -> Results:
        """Judge a run (default: the newest) on the test part, and write metrics and report into its folder.

        Raises:
            RunError: the run has learned from the test part, or the tables have changed since.
        """
        from polyscene.runs.judging import evaluate, save_exposure
        from polyscene.runs.run_record import METRICS

        set_threads(self.settings.runtime.threads)
        judged = run or self.run()
        demand_room(judged.folder, 0, REMEDY)
        results = evaluate(judged, self.dataset, self.settings, self.progress)
        results.save(judged.folder / METRICS)
        save_exposure(results, judged.folder)
        self.report(judged)
        return results

    def importance(
        self, run: Run | None = None, choices: ChoicesOf = "test", request: ImportanceRequest | None = None
    ) -> Importance:
        """Say what every signal, field and other scenario carries in a run (default: the newest), and costs.

        Args:
            choices: "test": ranked now, kept in the run's folder; "valid": kept by `train(importance=True)`.
            request: how many choices, whether fields too, and what share of the time is dear.

        Raises:
            RunError: as in `evaluate`; or the run was not trained with `importance`.
            ModelError: texts are to be encoded anew, and the language model is not there.
        """
        from polyscene.runs.importance import importance_of

        set_threads(self.settings.runtime.threads)
        return importance_of(self, run or self.run(), choices, request)

    def compare(self, baselines: Sequence[str] = USUAL_BASELINES) -> Results:
        """Judge plain recommenders by name on the test part, as a run's signals are; nothing is kept.

        Args:
            baselines: names out of `polyscene.baselines()`.

        Raises:
            UnknownIdError: there is no such baseline.
            DataError: the tables cannot be used.
            ConfigError: the protocol does not fit the tables.
        """
        from polyscene.learning.baselines import judge_baselines

        set_threads(self.settings.runtime.threads)
        return judge_baselines(self.ground(), baselines, self.settings, self.progress)

    def compare_forms(self, forms: Sequence[str] = (), weightings: Sequence[str] = ()) -> list[ComparedForm]:
        """Compare ways to share the network of `multitask`, on held-out meetings; see `pairs_to_compare`.

        Raises as `train` does, and UnknownIdError where there is no such form or weighting.
        """
        from polyscene.learning.sharing_comparison import compare_forms

        set_threads(self.settings.runtime.threads)
        return compare_forms(self, forms, weightings)

    def ratings(self, action: str | None = None, settings: RatingSettings | None = None) -> RatingResults:
        """Predict the ratings of the test part, with RMSE and MAE: how it is liked, not what is chosen.

        Args:
            action: whose values are ratings; None: every event with a value.
            settings: how they are learned.

        Raises:
            DataError: the tables cannot be used, or hold no ratings on both sides of the split.
        """
        from polyscene.learning.ratings import RatingSettings, judge_ratings

        set_threads(self.settings.runtime.threads)
        return judge_ratings(self.ground(), action, settings or RatingSettings(), self.settings.seed)

    def repeat(self, times: int = 3, baselines: Sequence[str] | None = None) -> Repeated:
        """Train and judge several times, and say how far the results lie apart.

        Repeat r has the seed plus r and, where the protocol cuts at moments, stands r test parts earlier in
        time: what came later is unknown to it. Its runs have a folder of their own.

        Args:
            times: at least 1.
            baselines: judge these alone, without training a run; None: the whole system with its signals.

        Raises:
            ValueError: `times` is less than 1.
            DataError: the tables cannot be used.
            ConfigError: the protocol does not fit the tables.
        """
        from polyscene.evaluation.repeated import Repeated
        from polyscene.runs.repeating import repeats_of

        results: list[Results] = []
        for settings, dataset, config in repeats_of(self, times):
            one = Project(settings, self.base, config, self.progress)
            one.dataset = dataset
            results.append(one.evaluate(one.train()) if baselines is None else one.compare(baselines))
        return Repeated(tuple(results))

    def report(self, run: Run | None = None) -> Path:
        """Write the HTML report of a judged run into its folder and return its path."""
        from polyscene.runs.reporting import written_report

        return written_report(run or self.run())

    def tune(
        self,
        minutes: float = 30.0,
        trials: int | None = None,
        weights: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> SearchResult:
        """Search better settings for the language model's training, the present ones first.

        Args:
            minutes: for the trials; the tables are read and the model is loaded before they begin.
            trials: at most so many in this search.
            weights: search how the language model's own weights learn even where the file says `steps = 0`.
            clock: seconds, never going back.

        Raises:
            MissingExtraError: Optuna is not installed.
            ConfigError: nothing learns, nothing is held out, or not one trial fits into the time.
            DataError: the tables cannot be used.
            ModelError: the language model cannot be used, or fails with the present settings.
            RunError: the file of earlier trials is damaged.
            KeyboardInterrupt: interrupted before anything was known.
        """
        from polyscene.learning.search import search_project

        demand_room(self.runs_folder, 0, REMEDY)
        set_threads(self.settings.runtime.threads)
        return search_project(self, minutes, trials, weights, clock)

    def compress(
        self,
        request: CompressionRequest,
        out: str | Path,
        bounds: Bounds | None = None,
        accept_loss: bool = False,
        judged: Callable[[Compressed], None] | None = None,
    ) -> Compressed:
        """Make the language model smaller or faster, and write it into a new folder.

        It is calibrated on all catalogues and judged on the smallest, a student on texts that it never read.
        What loses more than the bounds allow is refused, and nothing is written.

        Args:
            request: what is to be done.
            out: the folder that is written, whole or not at all.
            bounds: the most that may be lost; default: `Bounds()`.
            accept_loss: whether it is written whatever it loses.
            judged: hears what is lost and gained, before anything is refused.

        Raises:
            FileExistsError: the folder is there already.
            ModelError: more is lost than the bounds allow; the model cannot be used, or not compressed again.
            DataError: the tables cannot be used.
        """
        from polyscene.learning.compressing import compress_project

        set_threads(self.settings.runtime.threads)
        return compress_project(self, Path(out), request, bounds, accept_loss, judged)

    def ground(self, everything_counts: bool = False) -> TrainingData:
        """Return what fitting stands on, before the language model has read anything.

        Raises:
            ConfigError: the protocol does not fit the tables, or leaves nothing to learn from.
        """
        from polyscene.learning.training_data import sufficient_data

        return sufficient_data(self.dataset, self.settings, everything_counts)
