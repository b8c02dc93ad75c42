"""RecTools' SASRec: a transformer over what the user did, with the gBCE loss over sampled negatives.

    python benchmarks/peers/rectools_sasrec.py --fold FOLDER --json sasrec.json

Sized for a CPU: the full softmax costs five times as much per epoch there, so the loss is gBCE with 64
negatives, which its authors found as good (Petrov and Macdonald, RecSys 2023), and there are at most 60
epochs. How many it gets is chosen on validation: it learns on until two looks in a row bring nothing better.
A user without a history, and an item that was not there while it learned, get the lowest scores there are.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-not-found, import-untyped, unused-ignore]
import torch
from judging import Floats, Fold, Ints, Learn, Model, Requests, Settings, main
from pytorch_lightning import seed_everything  # type: ignore[import-not-found, unused-ignore]
from rectools.dataset import Dataset  # type: ignore[import-not-found, import-untyped, unused-ignore]
from rectools.models import SASRecModel  # type: ignore[import-not-found, import-untyped, unused-ignore]

SHAPE = {"n_blocks": 2, "n_heads": 2, "n_factors": 64, "dropout_rate": 0.3, "session_max_len": 20}
LOSS = {"loss": "gBCE", "n_negatives": 64, "gbce_t": 0.75}
LEARNING_RATE = 1e-3
BATCH = 128
LOOK = 5
"""Epochs between two looks at validation."""
PATIENCE = 2
MAX_EPOCHS = 60


class Sasrec:
    """A fitted model, asked through the modules that RecTools itself recommends with."""

    def __init__(self, model: Any, n_items: int) -> None:  # noqa: ANN401 - RecTools carries no types
        self._net = model.torch_model
        known = model.data_preparator.get_known_items_sorted_internal_ids()
        codes = model.data_preparator.item_id_map.convert_to_external(known)
        self._tokens = np.zeros(n_items, np.int64)  # 0 pads
        self._tokens[np.asarray(codes, np.int64)] = known
        self._n_items = n_items

    def score(self, requests: Requests) -> Floats:
        """Encode each history, newest last, and multiply with all items' embeddings."""
        self._net.eval()
        with torch.inference_mode():
            items = self._net.item_model.get_all_embeddings()
            sessions = torch.from_numpy(self._sessions(requests))
            users = self._net.encode_sessions({"x": sessions}, items)[:, -1]
            token_scores = (users @ items.T).numpy()
        scores: Floats = token_scores[:, self._tokens]
        scores[:, self._tokens == 0] = token_scores.min(initial=0.0) - 1.0
        scores[(sessions == 0).all(dim=1).numpy()] = 0.0
        return scores

    def _sessions(self, requests: Requests) -> Ints:
        """Return (B, length) tokens, zeros before them."""
        length = int(SHAPE["session_max_len"])
        sessions = np.zeros((len(requests), length), np.int64)
        for row in range(len(requests)):
            tokens = self._tokens[requests.items[requests.offsets[row] : requests.offsets[row + 1]]]
            tokens = tokens[tokens > 0][-length:]
            sessions[row, length - len(tokens) :] = tokens
        return sessions


def fit(learn: Learn, settings: Settings, seed: int) -> Model:
    """Fit for the chosen number of epochs."""
    model = _fresh(seed)
    model.fit_partial(_data(learn), min_epochs=settings["epochs"], max_epochs=settings["epochs"])
    return Sasrec(model, learn.n_items)


def choose(fold: Fold, judge: Callable[[Model], float], seed: int) -> tuple[Settings, list[dict[str, Any]]]:
    """Return the number of epochs after which validation was best."""
    model, data = _fresh(seed), _data(fold.learn)
    tried: list[dict[str, Any]] = []
    for epochs in range(LOOK, MAX_EPOCHS + 1, LOOK):
        model.fit_partial(data, min_epochs=LOOK, max_epochs=LOOK)
        tried.append({"epochs": epochs, "ndcg@10": judge(Sasrec(model, fold.learn.n_items))})
        print(tried[-1], flush=True)
        best = max(range(len(tried)), key=lambda place: tried[place]["ndcg@10"])
        if len(tried) - 1 - best >= PATIENCE:
            break
    return {"epochs": tried[best]["epochs"]}, tried


def _fresh(seed: int) -> Any:  # noqa: ANN401 - RecTools carries no types
    seed_everything(seed, verbose=False)
    return SASRecModel(
        **SHAPE, **LOSS, lr=LEARNING_RATE, batch_size=BATCH, epochs=MAX_EPOCHS, deterministic=True
    )


def _data(learn: Learn) -> Any:  # noqa: ANN401 - RecTools carries no types
    """Return the events as RecTools wants them; only the order of times matters to it."""
    order = pd.to_datetime(np.arange(len(learn.user)), unit="s")
    events = pd.DataFrame({"user_id": learn.user, "item_id": learn.item, "weight": 1.0, "datetime": order})
    return Dataset.construct(events)


if __name__ == "__main__":
    for module in ("pytorch_lightning", "rectools", "pydantic"):
        warnings.filterwarnings("ignore", module=module)  # what RecTools says of its own calls
    main("RecTools SASRec", ["rectools", "torch", "pytorch-lightning", "numpy", "pandas"], fit, choose)
