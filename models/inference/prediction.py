"""Predict records that are in no store, file by file."""

import math
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import torch
from numpy.typing import ArrayLike

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.config import Config
from ecgstore.errors import RecordError, out_of_memory
from ecgstore.lead_names import LeadNames
from ecgstore.models.inference.model import Model
from ecgstore.models.inference.new_records import (
    NewRecord,
    batch_of,
    config_of_new_records,
    feature_names,
    headers_of,
    new_record_of,
    read_new_record,
)
from ecgstore.models.one_thread import OneThread
from ecgstore.models.running import probabilities_of, require_finite
from ecgstore.pipes.devices import available_device
from ecgstore.remote_records.given import GivenRecords, given_records
from ecgstore.sources import OnUnreadable, read_header
from ecgstore.sources.files import printable
from ecgstore.system.progress import with_progress
from ecgstore.system.workers import run_tasks

OK: Final = "ok"
"""The status of a record that was predicted."""

_LONGEST_DETAIL: Final = 500

_CHUNK: Final = 16
"""Records of a task."""

_WORTH_PROCESSES: Final = 1024
"""Records from which on several processes are started. That takes 3 to 4 s, mostly to
import PyTorch once more; two processes make up for it from about 850 records on."""

_PRELOAD: Final = ("ecgstore.models.inference.prediction",)
"""Modules of the worker processes."""


@dataclass(frozen=True, eq=False, slots=True)
class Prediction:
    """The prediction of a model for one record.

    Attributes
    ----------
    record_id : str
        The record's name in its header; the file's name if the header cannot be read.
    path : str
        Path of the header, or its URL.
    status : str
        "ok", or the code of the `Reason` why a build would leave the record out.
    detail : str
        Description of the problem, or the leads that a predicted record lacks; empty
        if there is neither.
    probabilities : ndarray of shape (n_classes,) or None
        Probability of each class of the model, calibrated if the model is; None if the
        record is not usable.
    decisions : ndarray of shape (n_classes,) or None
        Predicted classes: those whose probability reaches the model's threshold; None
        if it has no thresholds, or the record is not usable.
    """

    record_id: str
    path: str
    status: str
    detail: str
    probabilities: FloatArray | None
    decisions: BoolArray | None = None


def predict(
    model: Model,
    records: str | Path | Iterable[str | Path],
    *,
    device: torch.device | str = "cpu",
    n_processes: int | None = None,
    lead_names: LeadNames | None = None,
    allow_missing_leads: bool | None = None,
    on_unreadable: OnUnreadable | None = None,
    quiet: bool = True,
) -> Iterator[Prediction]:
    """Return an iterator of a prediction for each record, in their order.

    A record that cannot be used raises no error: its prediction has the reason and no
    probabilities. Records of the same name are all predicted; their paths differ.
    Predictions have the same bits as those for the same records in a store, whatever
    records are predicted with them.

    Parameters
    ----------
    model : Checkpoint or Hybrid
        The model, and the options of the store that it was trained on.
    records : str, Path, or iterable of them
        Folders, headers, or signal files beside one; see
        `ecgstore.sources.given_headers`. Or URLs of them, whose records are fetched
        first: see docs/remote.md.
    device : torch.device or str
        Device of the networks.
    n_processes : int, optional
        Number of processes; if left out, one for each CPU core where there are many
        records, and no GPU computes. A script that uses several must be guarded by
        ``if __name__ == "__main__":``.
    lead_names : LeadNames, optional
        What names of leads mean in these records, besides the known spellings; as in
        the build of the store that the model was trained on, if left out.
    allow_missing_leads : bool, optional
        Predict records that lack some of the leads, which are zero then; as in that
        build, if left out. A model that has seen no such record may be far off.
    on_unreadable : callable, optional
        Called for what cannot be read below a folder, before the first prediction; see
        `ecgstore.sources.find_headers`.
    quiet : bool
        Show no progress.

    Raises
    ------
    EcgStoreError
        If a path does not exist, is a file of ecgstore, or has no records; a URL cannot
        be read; a folder cannot be read, unless `on_unreadable` is given; the model was
        trained on features of another version of ecgstore; or its outputs are not
        finite.
    """
    model.check_this_ecgstore()
    config = config_of_new_records(model, lead_names, allow_missing_leads)
    with ExitStack() as unless_begun:
        given = unless_begun.enter_context(given_records(records, quiet=quiet))
        headers = headers_of(given, on_unreadable)
        device = available_device(device)
        predictions = _predictions(model, headers, device, config, n_processes)
        shown = with_progress(predictions, "predict", len(headers), quiet, "records")
        fetched = unless_begun.pop_all()
    return _with_urls(shown, given, fetched)


def _with_urls(
    predictions: Iterator[Prediction], given: GivenRecords, fetched: ExitStack
) -> Iterator[Prediction]:
    """Yield predictions with URLs in place of copies, which are left at the end."""
    with fetched:
        for prediction in predictions:
            yield replace(
                prediction,
                path=given.with_urls(prediction.path),
                detail=given.with_urls(prediction.detail),
            )


def _predictions(
    model: Model,
    headers: Sequence[Path],
    device: torch.device,
    config: Config,
    n_processes: int | None,
) -> Iterator[Prediction]:
    """Return the prediction for each header; see `predict`."""
    if n_processes is None:
        is_worth_it = (
            device.type == "cpu"
            and len(headers) >= _WORTH_PROCESSES
            and not model.runs_own_code
        )
        n_processes = os.cpu_count() or 1 if is_worth_it else 1
    make: Callable[[], Callable[[list[Path]], list[Prediction]]]
    if n_processes > 1:
        # By value: shared memory, which PyTorch would use, needs open files.
        make = partial(_in_one_thread, pickle.dumps(model), config, str(device))
    else:
        make = partial(_Predictor, model, config, device)
    done = run_tasks(make, _chunks(headers), n_processes, _PRELOAD)
    return (prediction for chunk in done for prediction in chunk)


def predict_signal(
    model: Model,
    signal: ArrayLike,
    fs: float,
    *,
    leads: Iterable[str] | None = None,
    unit: str = "mV",
    age: float = math.nan,
    sex: str = "unknown",
    device: torch.device | str = "cpu",
) -> Prediction:
    """Return the prediction for a signal in memory.

    It is preprocessed as a build does, like the records of `predict`.

    Parameters
    ----------
    model : Checkpoint or Hybrid
        The model.
    signal, fs, leads, unit, age, sex
        See `ecgstore.models.inference.new_records.new_record_of`.
    device : torch.device or str
        Device of the networks.

    Raises
    ------
    ValueError, ConfigError, RecordError
        As `new_record_of`.
    EcgStoreError
        If the model was trained on features of another version of ecgstore, or its
        outputs are not finite.
    """
    model.check_this_ecgstore()
    config = config_of_new_records(model)
    record = new_record_of(
        signal,
        fs,
        config,
        leads=leads,
        unit=unit,
        age=age,
        sex=sex,
        with_features=model.needs_features,
    )
    return _Predictor(model, config, available_device(device)).predicted([record])[0]


def _chunks(headers: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield the headers of a task after the other."""
    remaining = iter(headers)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk


def _in_one_thread(model: bytes, config: Config, device: str) -> OneThread:
    """Return a function that predicts in a process of its own."""
    return OneThread(_Predictor(pickle.loads(model), config, torch.device(device)))


class _Predictor:
    """Predict records, a few at a time."""

    def __init__(self, model: Model, config: Config, device: torch.device) -> None:
        self._model = model
        self._config = config
        self._device = device
        self._runner = model.runner(feature_names(config), device)
        self._leads = self._runner.leads or config.leads

    def __call__(self, headers: Sequence[Path]) -> list[Prediction]:
        """Return a prediction for each header."""
        results = [self._read_or_error(header) for header in headers]
        usable = [result for result in results if isinstance(result, NewRecord)]
        predicted = iter(self.predicted(usable))
        return [
            replace(next(predicted), path=printable(str(header)))
            if isinstance(result, NewRecord)
            else _unusable(header, result)
            for header, result in zip(headers, results, strict=True)
        ]

    @torch.inference_mode()
    def predicted(self, records: Sequence[NewRecord]) -> list[Prediction]:
        """Return a prediction for each record, without a path."""
        if not records:
            return []
        batch = batch_of(records, self._config, self._leads).to(self._device)
        logits = self._runner(batch).logits.float().cpu().numpy()
        require_finite([logits], lambda number: _place(records[number]))
        probabilities = probabilities_of(logits)
        return [*map(self._prediction, records, probabilities)]

    def _read_or_error(self, header: Path) -> NewRecord | RecordError:
        """Return a preprocessed record, or the error that makes it unusable."""
        try:
            return read_new_record(
                header, self._config, with_features=self._model.needs_features
            )
        except MemoryError as error:
            raise out_of_memory(printable(str(header))) from error
        except Exception as error:  # a bug here must not stop the other records
            return RecordError.of(error)

    def _prediction(self, record: NewRecord, probabilities: FloatArray) -> Prediction:
        """Return the prediction for a record."""
        lacking = [one for one in self._config.leads if one in record.missing_leads]
        thresholds = self._model.thresholds
        return Prediction(
            record.record_id,
            "",
            OK,
            f"without leads {', '.join(lacking)}" if lacking else "",
            probabilities,
            None if thresholds is None else probabilities >= thresholds,
        )


def _place(record: NewRecord) -> str:
    """Return which record it is; one in memory has no name."""
    return f"record {record.record_id}" if record.record_id else "the signal"


def _unusable(header: Path, error: RecordError) -> Prediction:
    """Return the prediction for a record that cannot be used."""
    detail = " ".join(error.detail.split())[:_LONGEST_DETAIL]
    name = printable(str(header))
    return Prediction(_name_of(header), name, error.reason, detail, None)


def _name_of(header: Path) -> str:
    """Return the name of a record that cannot be used."""
    try:
        return read_header(header).record_id
    except RecordError:
        return printable(header.stem)
