"""Read and preprocess records that are in no store, as a build would.

A record is read, checked and preprocessed by the functions of a build, with the options
of the store that a model was trained on, and with the leads that the model takes: a
record need not have others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.chosen_leads import in_standard_order, lead_names
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, short_repr
from ecgstore.features import defined_features, measure
from ecgstore.features.measured import voltages_in_order
from ecgstore.lead_names import LeadNames
from ecgstore.models.inference.model import Model
from ecgstore.pipes.batch import Batch
from ecgstore.record import MAX_AGE, SEXES, lead_mask, lead_rows
from ecgstore.remote_records.given import GivenRecords
from ecgstore.signals.stored_form import (
    check_usable,
    leads_to_leave_out,
    samples_to_store,
    stored_form,
    stored_mv,
)
from ecgstore.sources import (
    OnUnreadable,
    leads_of_build,
    open_record,
)
from ecgstore.sources.files import check_name
from ecgstore.system.known_files import known_file

_SEXES: Final = {**SEXES, "unknown": "unknown"}
"""Sexes by what may be given, in lower case."""


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
    age : float
        Age in years by its header; NaN where unknown.
    sex : str
        "male", "female" or "unknown", by its header.
    features : ndarray of shape (n_features,) or None
        Handcrafted features, bit-identical to those of a store; None if they were not
        asked for.
    """

    record_id: str
    signal: Float32Array
    n_real_samples: int
    missing_leads: tuple[str, ...] = ()
    age: float = np.nan
    sex: str = "unknown"
    features: Float32Array | None = None


def read_new_record(
    header: str | Path, config: Config, *, with_features: bool = False
) -> NewRecord:
    """Read, check and preprocess a record under the options of a build.

    Parameters
    ----------
    header : str or Path
        The record's ``.hea`` file. Its diagnoses are ignored.
    config : Config
        The options.
    with_features : bool
        Find its beats, and compute its handcrafted features.

    Raises
    ------
    RecordError
        If the record cannot be used, for the same reasons as in a build.
    """
    check_name(str(header))
    record, opened = open_record(header, leads_of_build(config))
    signal = opened.read(0, samples_to_store(opened.n_samples, record.fs, config))
    return _new_record(
        record.record_id,
        signal,
        record.fs,
        config,
        record.age,
        record.sex,
        with_features,
    )


def new_record_of(
    signal: ArrayLike,
    fs: float,
    config: Config,
    *,
    leads: Iterable[str] | None = None,
    unit: str = "mV",
    age: float = np.nan,
    sex: str = "unknown",
    with_features: bool = False,
) -> NewRecord:
    """Check and preprocess a signal under the options of a build.

    Parameters
    ----------
    signal : array_like of shape (n_leads, n_samples)
        Voltages; NaN or masked where a sample is missing.
    fs : float
        Sampling rate in Hz.
    config : Config
        The options.
    leads : iterable of str, optional
        Names of the rows of `signal`, in any order; those of the options if left out.
    unit : {"mV", "uV", "V"}
        Unit of the voltages.
    age : float
        Age in years, 0 to 150; NaN where unknown.
    sex : {"male", "female", "unknown"}
        Sex; also "m" and "f", as in headers, all of them in any letter case.
    with_features : bool
        Find its beats, and compute its handcrafted features.

    Raises
    ------
    ValueError
        If the signal has another shape, the sampling rate is not positive, or age or
        sex are not possible.
    ConfigError
        If a lead of the options is missing, a lead or the unit is unknown.
    RecordError
        If the signal cannot be used, for the same reasons as in a build.
    """
    if not (np.isnan(age) or 0 <= age <= MAX_AGE):
        raise ValueError(
            f"age is {age:g}; expected years, 0 to {MAX_AGE:g}, or NaN where unknown"
        )
    known_sex = _SEXES.get(str(sex).lower())
    if known_sex is None:
        raise ValueError(
            f"sex is {short_repr(sex)}; expected one of {', '.join(_SEXES)}"
        )
    names = config.leads if leads is None else lead_names(leads)
    voltages = voltages_in_order(signal, fs, names, unit, config)
    n_needed = samples_to_store(voltages.shape[1], fs, config)
    return _new_record(
        "", voltages[:, :n_needed], fs, config, age, known_sex, with_features
    )


def _new_record(
    record_id: str,
    signal: FloatArray,
    fs: float,
    config: Config,
    age: float,
    sex: str,
    with_features: bool,
) -> NewRecord:
    """Check and preprocess the needed samples of a record."""
    missing = leads_to_leave_out(signal, fs, config)
    check_usable(signal, fs, config, missing)
    form = stored_form(signal, fs, config, missing_leads=missing)
    return NewRecord(
        record_id,
        stored_mv(form.values),
        form.n_real_samples,
        missing,
        age,
        sex,
        measure(form, config).row if with_features else None,
    )


def feature_names(config: Config) -> tuple[str, ...]:
    """Return the names of `NewRecord.features`."""
    features = defined_features(config.duration_s, config.fs, config.leads)
    return tuple(feature.name for feature in features)


def headers_of(
    records: GivenRecords, on_unreadable: OnUnreadable | None = None
) -> list[Path]:
    """Return the headers of new records; see `predict` for parameters and errors."""
    for path in records.paths:
        _refuse_known(path)
    return records.headers(on_unreadable)


def config_of_new_records(
    model: Model,
    lead_names: LeadNames | None = None,
    allow_missing_leads: bool | None = None,
) -> Config:
    """Return the options for `read_new_record`; see `predict` for the parameters."""
    config = replace(model.config, leads=in_standard_order(model.leads))
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


def batch_of(
    records: Sequence[NewRecord], config: Config, leads: Sequence[str]
) -> Batch:
    """Return the batch that a loader would return.

    Parameters
    ----------
    records : sequence of NewRecord
        The records, all with features or all without.
    config : Config
        The options that they were read with.
    leads : sequence of str
        Leads of its signals, in this order.
    """
    rows = lead_rows(leads)
    signals: NDArray[np.float32] = np.stack([record.signal[rows] for record in records])
    missing = None
    if any(record.missing_leads for record in records):
        masks = [lead_mask(record.missing_leads)[rows] for record in records]
        missing = torch.from_numpy(np.stack(masks))
    features = [record.features for record in records if record.features is not None]
    ages = np.array([record.age for record in records], np.float32)
    return Batch(
        rows=torch.arange(len(records)),
        seeds=np.zeros(len(records), np.uint64),
        names=np.array([record.record_id.encode() for record in records]),
        n_real_samples=torch.tensor([record.n_real_samples for record in records]),
        signals=torch.from_numpy(signals),
        features=torch.from_numpy(np.stack(features)) if features else None,
        missing_leads=missing,
        columns={
            "age": torch.from_numpy(ages),
            "sex": [record.sex for record in records],
        },
        leads=tuple(leads),
        fs=config.fs,
    )
