"""Predictions of all records by a thread, and of a record that is looked at at once."""

import os
import threading
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Final, Self

import numpy as np

from ecgstore import pipes
from ecgstore.arrays import Float32Array, FloatArray, UInt8Array
from ecgstore.errors import EcgStoreError, cause_of
from ecgstore.models.devices import chosen_device
from ecgstore.models.loading import load
from ecgstore.models.running import (
    Outputs,
    probabilities_of,
    require_finite_outputs,
    run_batches,
)
from ecgstore.models.seen_records import training_roles
from ecgstore.storage import Selection, Store
from ecgstore.storage.deep_features.seen import SEEN_NAMES
from ecgstore.storage.format import schema
from ecgstore.view.model.disagreement import disagreement_scores
from ecgstore.view.model.explained import Explained

_BATCH: Final = 16
"""Records that are predicted at a time: one that is looked at waits for so many."""

_NICENESS: Final = 10

_NEWS_S: Final = 5.0

_NO_THRESHOLD: Final = 0.5
"""Where a class is predicted from if no threshold was chosen."""


class Predictions:
    """A trained model over the records of a store.

    It can be used from several threads.

    Parameters
    ----------
    store : Store
        The store, open.
    path : Path
        The folder of a training, or the file in it.
    device : str, optional
        Device of the networks; by default a GPU, if there is one.

    Raises
    ------
    EcgStoreError
        If there is no such model, or it does not fit the store.
    """

    def __init__(self, store: Store, path: Path, device: str | None = None) -> None:
        self.store = store
        self.model = load(path)
        self.model.check(store)
        self._device = chosen_device(device)
        self._runner = self.model.runner(store.feature_names, self._device)
        chosen = self.model.thresholds
        n_classes = len(self.model.label_names)
        self._thresholds: FloatArray = (
            np.full(n_classes, _NO_THRESHOLD) if chosen is None else chosen
        )
        self._logits: Float32Array = np.full(
            (len(store), n_classes), np.nan, np.float32
        )
        self._explained = Explained(store, self.model, self._runner, self._device)
        self._running = Lock()  # one batch at a time: a network has one mode
        self._reading_roles = Lock()
        self._stop = Event()
        self._thread: Thread | None = None
        self._done = self._told = 0
        self._told_at = time.monotonic()
        self._failure = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin to predict all records, in a thread."""
        self._thread = Thread(target=self._predict_all, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop predicting."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def description(self) -> dict[str, Any]:
        """Return what the page shows of the model."""
        chosen = self.model.thresholds
        return {
            "name": self.model.name,
            "classes": list(self.model.label_names),
            "thresholds": None if chosen is None else chosen.tolist(),
        }

    def state(self) -> dict[str, Any]:
        """Return how many records are predicted."""
        total, done = len(self.store), self._done
        state = "running" if done < total else "ready"
        return {
            "state": "failed" if self._failure else state,
            "done": done,
            "total": total,
            "message": self._failure,
        }

    def of(self, row: int) -> dict[str, Any]:
        """Return the prediction of a record, and whether the model has seen it."""
        if np.isnan(self._logits[row, 0]):
            for outputs in self._outputs(Selection(self.store, np.array([row]))):
                self._keep(outputs)
        probabilities = probabilities_of(self._logits[row])
        predicted = probabilities >= self._thresholds
        labels = self.store.table(schema.LABELS)[row] != 0
        values = (probabilities, self._thresholds, predicted, labels)
        return {
            "classes": [
                {
                    "name": name,
                    "probability": probability,
                    "threshold": threshold,
                    "predicted": is_predicted,
                    "label": label,
                    "disagrees": is_predicted != label,
                }
                for name, probability, threshold, is_predicted, label in zip(
                    self.model.label_names,
                    *(one.tolist() for one in values),
                    strict=True,
                )
            ],
            "seen": SEEN_NAMES[self._seen(row)],
        }

    def disagreement(self) -> FloatArray:
        """Return how much labels and predictions differ; see `disagreement_scores`."""
        labels = self.store.table(schema.LABELS)[:]
        return disagreement_scores(self._logits, self._thresholds, labels)

    def has_news(self) -> bool:
        """Return whether more is predicted than last time, not more often than in 5 s.

        So orders and counts need not be computed anew all the time.
        """
        now, done = time.monotonic(), self._done
        is_over = bool(self._failure) or done == len(self.store)
        if done == self._told or not (is_over or now - self._told_at > _NEWS_S):
            return False
        self._told, self._told_at = done, now
        return True

    def explanation(self, row: int, label_name: str) -> dict[str, Any]:
        """Return what a class of a record was predicted by; see `Explained`."""
        with self._running:
            return self._explained.summary(row, label_name)

    def saliency(self, row: int, label_name: str) -> tuple[Float32Array, float]:
        """Return how strongly samples are highlighted; see `Explained`."""
        with self._running:
            return self._explained.strengths(row, label_name)

    @cached_property
    def _roles(self) -> UInt8Array:
        """Use of each record's patient in the training, codes of `Seen`."""
        return training_roles(self.model, self.store)

    def _seen(self, row: int) -> int:
        """Return the code of one record."""
        with self._reading_roles:
            return int(self._roles[row])

    def _outputs(self, selection: Selection) -> "list[Outputs]":
        """Return the outputs for few records."""
        runner = self._runner
        loader = pipes.loader(
            selection,
            _BATCH,
            fields=runner.fields,
            leads=runner.leads,
            device=self._device,
        )
        with self._running:
            return [*run_batches(runner, loader)]

    def _keep(self, outputs: Outputs) -> None:
        """Keep the outputs of a batch."""
        require_finite_outputs(outputs, self.store)
        self._logits[outputs.rows] = outputs.logits

    def _predict_all(self) -> None:
        """Predict all records in the order of the store, until it is stopped."""
        with suppress(OSError, AttributeError):  # the page comes first; on Linux only
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        runner = self._runner
        try:
            loader = pipes.loader(
                Selection.of_all(self.store),
                _BATCH,
                fields=runner.fields,
                leads=runner.leads,
                device=self._device,
            )
            batches = run_batches(runner, loader)
            try:
                while not self._stop.is_set():
                    with self._running:
                        outputs = next(batches, None)
                    if outputs is None:
                        break
                    self._keep(outputs)
                    self._done += len(outputs.rows)
            finally:
                batches.close()
        except EcgStoreError as error:
            self._failure = str(error)
        except Exception as error:  # of a library: the page must not wait for ever
            self._failure = f"the predictions stopped: {cause_of(error)}"
