"""Loads the language model of the live run in the background, so that the first new item need not wait.

Readiness does not wait either. Where the language model cannot be used here, as on a machine without torch,
nothing is loaded and the state says so; slates need none.
"""

from __future__ import annotations

import logging
from enum import StrEnum
from threading import Lock, Thread

from polyscene.core.errors import PolysceneError
from polyscene.runs.run import Run

_log = logging.getLogger(__name__)

TEXT = "a"
"""Is read once by every scenario's models, tuned ones too."""


class EncoderState(StrEnum):
    """How far the language model is."""

    idle = "loaded by the first item"
    loading = "loading"
    ready = "ready"
    needless = "not needed"
    """no scenario of the run has texts"""
    unavailable = "not available here"


class EncoderWarming:
    """Loads the language model of one run after another.

    Args:
        wanted: whether it is loaded before an item needs it.

    Attributes:
        state: of the run that was named last.
    """

    def __init__(self, wanted: bool) -> None:
        self._wanted, self._lock = wanted, Lock()
        self._run: Run | None = None
        self._thread: Thread | None = None
        self.state = EncoderState.idle

    def warm(self, run: Run) -> None:
        """Begin to load that of a run, and return at once."""
        if not self._wanted:
            return
        with self._lock:
            self._run, self.state = run, EncoderState.loading
            self._thread = Thread(target=self._load, args=(run,), name="loading an encoder", daemon=True)
            self._thread.start()

    def follow(self, run: Run) -> None:
        """Begin to load that of a run that takes the place of another, if that one's was."""
        if self._run is not None:
            self.warm(run)

    def wait(self) -> EncoderState:
        """Return the state when nothing is being loaded any more."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()
        return self.state

    def _load(self, run: Run) -> None:
        state = _loaded(run)
        with self._lock:
            if run is self._run:
                self.state = state


def _loaded(run: Run) -> EncoderState:
    scenarios = [name for name, state in run.system.scenarios.items() if state.space.has_text]
    if not scenarios:
        return EncoderState.needless
    try:
        for name in scenarios:
            run.encoder.encode(name, [TEXT])
    except (PolysceneError, ImportError) as error:
        _log.info("the language model is not loaded: %s", error)
        return EncoderState.unavailable
    except Exception:  # noqa: BLE001 - nobody waits for this thread; the first item hears the same
        _log.exception("the language model is not loaded")
        return EncoderState.unavailable
    return EncoderState.ready
