"""RecTools' transformers over what the user did, for `rectools_sasrec.py` and `rectools_hstu.py`.

Sized for a CPU: the full softmax costs five times as much per epoch there, so the loss is gBCE with 64
negatives, which its authors found as good (Petrov and Macdonald, RecSys 2023). Width and dropout are chosen
on validation, and with each of them the number of epochs: it learns on until ten epochs bring nothing better.
A user without a history, and an item that was not there while it learned, get the lowest scores. It is not
shown times, which are places in a sequence in some sets.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-not-found, import-untyped, unused-ignore]
import torch
from judging import Floats, Fold, Ints, Learn, Looks, Model, Requests, Settings, climb, main
from pytorch_lightning import seed_everything  # type: ignore[import-not-found, unused-ignore]
from rectools.dataset import Dataset  # type: ignore[import-not-found, import-untyped, unused-ignore]

LENGTH = 50
SHAPE = {"n_blocks": 2, "n_heads": 2, "session_max_len": LENGTH}
LOSS = {"loss": "gBCE", "n_negatives": 64, "gbce_t": 0.75}
LADDERS = {"dropout_rate": (0.0, 0.1, 0.2, 0.3, 0.5, 0.7), "n_factors": (32, 64, 128, 256, 512, 1024)}
"""Dropout is chosen first, at a width of 128: at 512 a trial of it costs five times as much."""
LEARNING_RATE = 1e-3
BATCH = 128
LOOK = 2
"""Epochs between two looks at validation."""
PATIENCE = 5
MAX_EPOCHS = 300

Kind = Callable[..., Any]
"""Makes an untrained model of RecTools."""


class Transformer:
    """A fitted model, asked through the modules that RecTools itself recommends with."""

    def __init__(self, model: Any, n_items: int) -> None:  # noqa: ANN401 - RecTools carries no types
        self._net = model.torch_model
        known = model.data_preparator.get_known_items_sorted_internal_ids()
        codes = model.data_preparator.item_id_map.convert_to_external(known)
        self._tokens = np.zeros(n_items, np.int64)  # 0 pads
        self._tokens[np.asarray(codes, np.int64)] = known
        self._n_items = n_items

    def score(self, requests: Requests) -> Floats:
        """Encode each history, newest last, and compare it with all items' embeddings."""
        self._net.eval()
        with torch.inference_mode():
            items = self._net.item_model.get_all_embeddings()
            sessions = torch.from_numpy(self._sessions(requests))
            users = self._net.encode_sessions({"x": sessions}, items)[:, -1]
            token_scores = self._net.similarity_module(users, items).numpy()
        scores: Floats = token_scores[:, self._tokens]
        scores[:, self._tokens == 0] = token_scores.min(initial=0.0) - 1.0
        scores[(sessions == 0).all(dim=1).numpy()] = 0.0
        return scores

    def _sessions(self, requests: Requests) -> Ints:
        """Return (B, LENGTH) tokens, zeros before them."""
        sessions = np.zeros((len(requests), LENGTH), np.int64)
        for row in range(len(requests)):
            tokens = self._tokens[requests.items[requests.offsets[row] : requests.offsets[row + 1]]]
            tokens = tokens[tokens > 0][-LENGTH:]
            sessions[row, LENGTH - len(tokens) :] = tokens
        return sessions


def fit(kind: Kind, learn: Learn, settings: Settings, seed: int) -> Model:
    """Fit for the chosen number of epochs."""
    shape = dict(settings)
    epochs = shape.pop("epochs")
    model = _fresh(kind, shape, seed)
    model.fit_partial(_data(learn), min_epochs=epochs, max_epochs=epochs)
    return Transformer(model, learn.n_items)


def trial(kind: Kind, fold: Fold, judge: Callable[[Model], float], settings: Settings, seed: int) -> Looks:
    """Return how good validation was after every `LOOK` epochs, until the best is `PATIENCE` looks ago."""
    model, data = _fresh(kind, settings, seed), _data(fold.learn)
    looks: Looks = []
    for epochs in range(LOOK, MAX_EPOCHS + 1, LOOK):
        model.fit_partial(data, min_epochs=LOOK, max_epochs=LOOK)
        gain = judge(Transformer(model, fold.learn.n_items))
        looks.append(({**settings, "epochs": epochs}, gain))
        if len(looks) - 1 - int(np.argmax([gain for _, gain in looks])) >= PATIENCE:
            break
    return looks


def run(name: str, kind: Kind) -> None:
    """Run one of them on every scenario of an export."""
    for module in ("pytorch_lightning", "rectools", "pydantic"):
        warnings.filterwarnings("ignore", module=module)  # what RecTools says of its own calls
    packages = ["rectools", "torch", "pytorch-lightning", "numpy", "pandas"]
    main(name, packages, partial(fit, kind), climb(partial(trial, kind), LADDERS, passes=1))


def _fresh(kind: Kind, shape: Settings, seed: int) -> Any:  # noqa: ANN401 - RecTools carries no types
    seed_everything(seed, verbose=False)
    return kind(
        **SHAPE, **LOSS, **shape, lr=LEARNING_RATE, batch_size=BATCH, epochs=MAX_EPOCHS, deterministic=True
    )


def _data(learn: Learn) -> Any:  # noqa: ANN401 - RecTools carries no types
    """Return the events as RecTools wants them; only the order of times matters to it."""
    order = pd.to_datetime(np.arange(len(learn.user)), unit="s")
    events = pd.DataFrame({"user_id": learn.user, "item_id": learn.item, "weight": 1.0, "datetime": order})
    return Dataset.construct(events)
