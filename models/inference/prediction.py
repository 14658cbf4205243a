"""Predict records that are in no store, file by file.

A record is read, checked and preprocessed by the functions of a build, with the options
of the store that the network was trained on, and with the leads that the network takes:
a record need not have others.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.chosen_leads import in_standard_order
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, RecordError, out_of_memory
from ecgstore.lead_names import LeadNames
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.networks.extractor import Extractor
from ecgstore.models.running import probabilities_of
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.devices import available_device
from ecgstore.record import lead_mask, lead_rows
from ecgstore.signals.stored_form import (
    check_usable,
    leads_to_leave_out,
    samples_to_store,
    stored_form,
    stored_mv,
)
from ecgstore.sources import (
    OnUnreadable,
    given_headers,
    leads_of_build,
    open_record,
    read_header,
)
from ecgstore.sources.files import check_name, printable
from ecgstore.system.known_files import known_file
from ecgstore.system.progress import with_progress

OK: Final = "ok"
"""The status of a record that was predicted."""

_LONGEST_DETAIL: Final = 500


@dataclass(frozen=True, eq=False, slots=True)
class Prediction:
    """The prediction of a network for one record.

    Attributes
    ----------
    record_id : str
        The record's name in its header; the file's name if the header cannot be read.
    path : str
        Path of the header.
    status : str
        "ok", or the code of the `Reason` why a build would leave the record out.
    detail : str
        Description of the problem, or the leads that a predicted record lacks; empty
        if there is neither.
    probabilities : ndarray of shape (n_classes,) or None
        Probability of each class of the checkpoint; None if the record is not usable.
    """

    record_id: str
    path: str
    status: str
    detail: str
    probabilities: FloatArray | None


@dataclass(frozen=True, eq=False, slots=True)
class NewRecord:
    """A preprocessed record, as a build would store it.

    Attributes
    ----------
    record_id : str
        Its name in its header.
    signal : ndarray of shape (12, n_samples)
        Voltages in mV in the order of `LEADS`, float32, bit-identical to those read
        from a store; zero in leads that the options leave out.
    n_real_samples : int
        Samples that are not padding.
    missing_leads : tuple of str
        Leads that the record lacks, which are zero.
    """

    record_id: str
    signal: Float32Array
    n_real_samples: int
    missing_leads: tuple[str, ...] = ()


def read_new_record(header: str | Path, config: Config) -> NewRecord:
    """Read, check and preprocess a record under the options of a build.

    Parameters
    ----------
    header : str or Path
        The record's ``.hea`` file. Its diagnoses are ignored.
    config : Config
        The options.

    Raises
    ------
    RecordError
        If the record cannot be used, for the same reasons as in a build.
    """
    check_name(str(header))
    record, opened = open_record(header, leads_of_build(config))
    signal = opened.read(0, samples_to_store(opened.n_samples, record.fs, config))
    missing = leads_to_leave_out(signal, record.fs, config)
    check_usable(signal, record.fs, config, missing)
    form = stored_form(signal, record.fs, config, missing_leads=missing)
    return NewRecord(
        record.record_id, stored_mv(form.values), form.n_real_samples, missing
    )


def predict(
    checkpoint: Checkpoint,
    records: str | Path | Iterable[str | Path],
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 64,
    lead_names: LeadNames | None = None,
    allow_missing_leads: bool | None = None,
    on_unreadable: OnUnreadable | None = None,
    quiet: bool = True,
) -> Iterator[Prediction]:
    """Return an iterator of a prediction for each record, in their order.

    A record that cannot be used raises no error: its prediction has the reason and no
    probabilities. Records of the same name are all predicted; their paths differ.

    Parameters
    ----------
    checkpoint : Checkpoint
        The network, and the options of the store that it was trained on.
    records : str, Path, or iterable of them
        Folders, headers, or signal files beside one; see
        `ecgstore.sources.given_headers`.
    device : torch.device or str
        Device of the network.
    batch_size : int
        Number of records in memory at a time, which changes probabilities by rounding
        only.
    lead_names : LeadNames, optional
        What names of leads mean in these records, besides the known spellings; as in
        the build of the store that the network was trained on, if left out.
    allow_missing_leads : bool, optional
        Predict records that lack some of the leads, which are zero then; as in that
        build, if left out. A network that has seen no such record may be far off.
    on_unreadable : callable, optional
        Called for what cannot be read below a folder, before the first prediction; see
        `ecgstore.sources.find_headers`.
    quiet : bool
        Show no progress.

    Raises
    ------
    EcgStoreError
        If a path does not exist, is a file of ecgstore, or has no records; or a folder
        cannot be read, unless `on_unreadable` is given.
    """
    headers = headers_of(records, on_unreadable)
    device = available_device(device)
    network = checkpoint.network().to(device)
    config = config_of_new_records(checkpoint, lead_names, allow_missing_leads)
    return _predictions(checkpoint, config, network, headers, device, batch_size, quiet)


def headers_of(
    records: str | Path | Iterable[str | Path],
    on_unreadable: OnUnreadable | None = None,
) -> list[Path]:
    """Return the headers of new records; see `predict` for parameters and errors."""
    records = [records] if isinstance(records, str | Path) else [*records]
    for path in records:
        _refuse_known(Path(path))
    return given_headers(records, on_unreadable)


def config_of_new_records(
    checkpoint: Checkpoint,
    lead_names: LeadNames | None = None,
    allow_missing_leads: bool | None = None,
) -> Config:
    """Return the options for `read_new_record`; see `predict` for the parameters."""
    config = replace(checkpoint.config, leads=in_standard_order(checkpoint.leads))
    if lead_names is not None:
        config = replace(config, lead_names=lead_names)
    if allow_missing_leads is not None:
        config = replace(config, allow_missing_leads=allow_missing_leads)
    return config


def _refuse_known(path: Path) -> None:
    """Raise an error if a path is a file of ecgstore, such as a store."""
    known = known_file(path) if path.is_file() else ""
    if known:
        raise EcgStoreError(
            f"{path}: is {known}; expected raw records: `ecgstore evaluate` "
            "scores the records of a store, `ecgstore extract` writes features and "
            "logits for all of them (in Python: models.evaluate, models.extract)"
        )


def _predictions(
    checkpoint: Checkpoint,
    config: Config,
    network: Extractor,
    headers: Sequence[Path],
    device: torch.device,
    batch_size: int,
    quiet: bool,
) -> Iterator[Prediction]:
    """Yield a prediction for each header."""
    decimate = checkpoint.decimate()
    remaining = iter(with_progress(headers, "predict", len(headers), quiet, "records"))
    while paths := list(islice(remaining, batch_size)):
        results = [_read_or_error(path, config) for path in paths]
        usable = [result for result in results if isinstance(result, NewRecord)]
        probabilities: Iterator[FloatArray] = iter(())
        if usable:
            with torch.inference_mode():
                batch = decimate(batch_of(usable, checkpoint).to(device))
                logits = network(*network.inputs(batch)).logits
            probabilities = iter(probabilities_of(logits.cpu().numpy()))
        for path, result in zip(paths, results, strict=True):
            name = printable(str(path))
            if isinstance(result, NewRecord):
                lacking = [one for one in config.leads if one in result.missing_leads]
                detail = f"without leads {', '.join(lacking)}" if lacking else ""
                yield Prediction(
                    result.record_id, name, OK, detail, next(probabilities)
                )
            else:
                detail = " ".join(result.detail.split())[:_LONGEST_DETAIL]
                yield Prediction(_name_of(path), name, result.reason, detail, None)


def _read_or_error(header: Path, config: Config) -> NewRecord | RecordError:
    """Return a preprocessed record, or the error that makes it unusable."""
    try:
        return read_new_record(header, config)
    except MemoryError as error:
        raise out_of_memory(printable(str(header))) from error
    except Exception as error:  # a bug here must not stop the other records
        return RecordError.of(error)


def _name_of(header: Path) -> str:
    """Return the name of a record that cannot be used."""
    try:
        return read_header(header).record_id
    except RecordError:
        return printable(header.stem)


def batch_of(records: Sequence[NewRecord], checkpoint: Checkpoint) -> Batch:
    """Return the batch that a loader would return, with the leads of the model.

    Its sampling rate is that of the store; see `Checkpoint.decimate`.
    """
    leads = lead_rows(checkpoint.leads)
    signals: NDArray[np.float32] = np.stack(
        [record.signal[leads] for record in records]
    )
    n_real = [record.n_real_samples for record in records]
    missing = None
    if any(record.missing_leads for record in records):
        masks = [lead_mask(record.missing_leads)[leads] for record in records]
        missing = torch.from_numpy(np.stack(masks))
    return Batch(
        rows=torch.arange(len(records)),
        seeds=np.zeros(len(records), np.uint64),
        names=np.array([record.record_id.encode() for record in records]),
        n_real_samples=torch.tensor(n_real),
        signals=torch.from_numpy(signals),
        missing_leads=missing,
        leads=checkpoint.leads,
        fs=checkpoint.config.fs,
    )
