"""Keeps transformers from writing to the terminal while it works for us, and puts its settings back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR

from huggingface_hub import constants
from transformers.utils import logging


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' progress bars and everything below an error; leave it as it was found.

    Bars that the user demands with `HF_HUB_DISABLE_PROGRESS_BARS=0` stay.
    """
    verbosity = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled() and constants.HF_HUB_DISABLE_PROGRESS_BARS is not False
    logging.set_verbosity(ERROR)
    if bars:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
