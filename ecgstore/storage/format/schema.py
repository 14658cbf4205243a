"""Every HDF5 path, dtype and attribute of a store, named here only.

The file format is explained, for a reader in any language, in docs/format.md.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.config import Config
from ecgstore.record import MARKS
from ecgstore.signals.quality import QUALITY_COLUMNS
from ecgstore.signals.signature import SIGNATURE, SIGNATURE_VERSION
from ecgstore.storage.format.dataset_spec import DatasetSpec, Dimension
from ecgstore.storage.format.digest_table import FINGERPRINT
from ecgstore.storage.format.stored_values import UNSEALED, encoded
from ecgstore.system.file_format import FileFormat

FORMAT: Final = FileFormat("ecgstore", 2, "`ecgstore build`", also_read=(1,))
COLLECTION: Final = FileFormat("ecgstore collection", 2, "`ecgstore collect`")
"""A store whose large tables are in other stores; of the same version as they are."""

SIGNALS: Final = "signals"
LABELS: Final = "labels"
TARGETS: Final = "targets"
FEATURES: Final = "features"
FIDUCIALS: Final = "fiducials"
R_PEAKS: Final = "r_peaks"
FOLDS: Final = "folds"
CHECKSUMS: Final = "checksums"
BLOCK_CHECKSUMS: Final = "block_checksums"
SIGNATURES: Final = "signatures"
STATE: Final = "state"
QUALITY: Final = "quality"
RECORDS: Final = "records"
QUARANTINE: Final = "quarantine"

CONFIG: Final = "config"
"""The options of the build: a dataset, and in version 1 an attribute of the file."""

LABEL_CODES: Final = "label_codes"
FEATURE_UNITS: Final = "feature_units"
"""Codes of every class and unit of every feature, in version 1 attributes."""

HEAD_NBYTES: Final = "head_nbytes"
"""Attribute of the file: its bytes before the first row of any dataset."""

CHECKED_SAMPLES: Final = 1000
"""Samples of a lead that have a checksum of their own; the last ones may be fewer."""

SHA256: Final = "sha256"
"""In version 1, the attribute of every dataset that is the digest of its content."""

SOFTWARE_SHA256: Final = "software_sha256"
"""Attribute of the file: the digest of its attribute `software`."""

SAME_ECG: Final = f"{RECORDS}/same_ecg"
"""For each row the first row with the same ECG or signal file, or its own number."""

_FIRST_WITH_SAME_ECG: Final = 2
_FIRST_WITH_DIMENSIONS: Final = 2
_FIRST_WITH_LEAD_TEXTS: Final = 2
_FIRST_WITH_START: Final = 2
FIRST_WITH_HEAD: Final = 2
"""Versions of the format from which on files have these."""

MV_PER_COUNT: Final = 0.001
"""Resolution of the int16 signals: 1 uV."""

BEATS_STATUS: Final = "beats_status"
PAD_LENGTH: Final = "pad_length"

START: Final = "start_s"
"""Column of `/records`: time of a row's first sample in its record, in s."""

RECORD_NUMBERS: Final[Mapping[str, str]] = {
    "age": "<f4",
    START: "<f8",
    "fs_original": "<f8",
    "n_samples_original": "<i8",
}
RECORD_TEXTS: Final = (
    "record_id",
    "source",
    "path",
    "patient_id",
    "sex",
    "dx",
    "sha256",
    "derived_leads",
    "missing_leads",
)
LEAD_TEXTS: Final = ("derived_leads", "missing_leads")
"""Columns of `/records` with names of leads, separated by commas."""
COLUMNS_OF_ALL: Final = frozenset({"patient_id", "age", "sex"})
"""Columns of tables that every store has without being asked."""

RESERVED_COLUMNS: Final = frozenset(
    {*RECORD_TEXTS, *RECORD_NUMBERS, "same_ecg", "fold", "patient_known"}
)
"""Names that columns of tables cannot have in a store."""

QUARANTINE_TEXTS: Final = ("path", "source", "record_id", "reason", "detail")

_NO_TEXT: Final[Mapping[str, int]] = dict.fromkeys(QUARANTINE_TEXTS, 0)

_LARGE: Final = (BLOCK_CHECKSUMS, FEATURES, FIDUCIALS, R_PEAKS, SIGNATURES)
"""Datasets with many bytes a row, besides the signals and those in `/quality`."""

MIN_TEXT_BYTES: Final = 2
"""Least width of texts: readers of netCDF join texts of one byte to one text."""

RECORD: Final = Dimension("record")
BEAT: Final = Dimension("beat")
MARK: Final = Dimension("mark", names=MARKS)
ENTRY: Final = Dimension(f"{QUARANTINE}/entry")
"""Dimensions that are the same in every store; see `row_specs` for the others."""


def extra_columns(config: Config) -> tuple[str, ...]:
    """Return the columns of tables that a store has besides those of every store."""
    return tuple(name for name in config.columns if name not in COLUMNS_OF_ALL)


def file_attributes(
    version: int,
    software: str = "",
    config: str = "",
    fingerprint: str = "",
    format_: FileFormat = FORMAT,
) -> dict[str, str | int]:
    """Return the attributes of a file of some version of the format.

    Parameters
    ----------
    version : int
        Version of the format.
    software : str
        Versions of the libraries.
    config, fingerprint : str
        Options of the build, and digest of the content: attributes in version 1 only.
    format_ : FileFormat
        Format of the file: of a store or a collection.
    """
    attributes: dict[str, str | int] = {
        "format": format_.name,
        "format_version": version,
        "software": software,
    }
    if version < FIRST_WITH_HEAD:
        return attributes | {"config": config, "fingerprint": fingerprint}
    return attributes | {
        SOFTWARE_SHA256: text_sha256(software),
        HEAD_NBYTES: 0,  # known when the file is laid out
    }


def text_sha256(text: str) -> str:
    """Return the SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class QualityDataset:
    """One dataset in `/quality`.

    Attributes
    ----------
    name : str
        Name of the dataset.
    per_lead : bool
        Shape (N, L) for L leads instead of (N,).
    dtype : str
        NumPy name of the stored type.
    unit : str
        Unit, ``"1"`` for ratios, counts and flags.
    definition : str
        Definition, in a sentence.
    """

    name: str
    per_lead: bool
    dtype: str
    unit: str
    definition: str

    @property
    def dtype_name(self) -> str:
        """Type and shape as text, such as ``float32 (N, L)``."""
        return f"{np.dtype(self.dtype).name} {'(N, L)' if self.per_lead else '(N,)'}"


QUALITY_TABLE: Final[tuple[QualityDataset, ...]] = (
    *(
        QualityDataset(
            column.name, column.per_lead, "<f4", column.unit, column.definition
        )
        for column in QUALITY_COLUMNS
    ),
    QualityDataset(
        "saturated_fraction",
        True,
        "<f4",
        "1",
        "part of the stored samples that exceeded the range of int16 counts",
    ),
    QualityDataset(
        "checksum_differs",
        True,
        "|u1",
        "1",
        "1 where the header's checksum of the lead disagrees with the signal file",
    ),
    QualityDataset(
        "first_value_differs",
        True,
        "|u1",
        "1",
        "1 where the header's first value of the lead disagrees with the signal file",
    ),
    QualityDataset(
        PAD_LENGTH,
        False,
        "<i4",
        "samples",
        "zeros at the end of the stored signal that are not part of the record",
    ),
    QualityDataset(
        BEATS_STATUS, False, "|u1", "1", "how far beats could be found; see its flags"
    ),
)
"""Every dataset in `/quality`, in the order of the file."""

HEADER_FLAGS: Final = ("checksum_differs", "first_value_differs")
"""Quality columns from the header, written when the build is planned."""


def store_specs(
    config: Config,
    n_rows: int,
    text_widths: Mapping[str, int],
    *,
    features: Sequence[tuple[str, str]],
    beats_status: Mapping[str, int],
    n_left_out: int = 0,
    left_out_widths: Mapping[str, int] = _NO_TEXT,
    version: int = FORMAT.version,
) -> tuple[DatasetSpec, ...]:
    """Return every dataset of a store, in the order of the file.

    What describes others comes first, then small columns, then large tables, and the
    signals last: so few ranges of the file bring what a reader needs to open it.

    Parameters
    ----------
    config, n_rows, text_widths, features, beats_status, version
        See `row_specs`.
    n_left_out : int
        Number of records in the quarantine.
    left_out_widths : Mapping
        Bytes of the longest value, by column of the quarantine.
    """
    columns = list(
        row_specs(
            config,
            n_rows,
            text_widths,
            features=features,
            beats_status=beats_status,
            version=version,
        )
    )
    columns += _quarantine_specs(n_left_out, left_out_widths, version)
    return (
        *_head_specs(config, features, version),
        *sorted(columns, key=lambda spec: _place(spec.path, len(spec.shape))),
    )


def _place(path: str, n_axes: int) -> int:
    """Return the part of the file that a dataset is in."""
    if path == SIGNALS:
        return 2
    return 1 if is_large(path, n_axes) else 0


def is_large(path: str, n_axes: int) -> bool:
    """Return whether a dataset has many bytes a row: the signals and large tables.

    The others, about 230 bytes a record, are copied into collections.

    Examples
    --------
    >>> is_large("signals", 3), is_large("quality/ksqi", 2)
    (True, True)
    >>> is_large("quality/pad_length", 1), is_large("labels", 2)
    (False, False)
    """
    is_of_leads = path.startswith(f"{QUALITY}/") and n_axes > 1
    return path == SIGNALS or path in _LARGE or is_of_leads


def _head_specs(
    config: Config, features: Sequence[tuple[str, str]], version: int
) -> list[DatasetSpec]:
    """Return the datasets that describe the others."""
    if version < FIRST_WITH_HEAD:
        return []
    codes = [",".join(one.codes) for one in config.classes.classes]
    return [
        DatasetSpec.of(FINGERPRINT, encoded(UNSEALED)),
        DatasetSpec.of(CONFIG, encoded(config.to_json())),
        DatasetSpec.of(LABEL_CODES, _texts(codes), (_label(config),)),
        DatasetSpec.of(
            FEATURE_UNITS, _texts([unit for _, unit in features]), (_feature(features),)
        ),
    ]


def _texts(values: Sequence[str]) -> NDArray[Any]:
    """Return texts that readers of netCDF do not join."""
    return encoded(values, max([MIN_TEXT_BYTES, *(len(v.encode()) for v in values)]))


def _label(config: Config) -> Dimension:
    """Return the dimension of the classes."""
    return Dimension("label", names=[one.name for one in config.classes.classes])


def _feature(features: Sequence[tuple[str, str]]) -> Dimension:
    """Return the dimension of the features."""
    return Dimension("feature", names=[name for name, _ in features])


def row_specs(
    config: Config,
    n_rows: int,
    text_widths: Mapping[str, int],
    *,
    features: Sequence[tuple[str, str]],
    beats_status: Mapping[str, int],
    version: int = FORMAT.version,
) -> tuple[DatasetSpec, ...]:
    """Return every dataset with one row per record.

    Parameters
    ----------
    config : Config
        Options of the build.
    n_rows : int
        Number of records.
    text_widths : Mapping
        Bytes of the longest value, by text column of `/records`. Of `extra_columns`,
        those that are not in it are numbers.
    features : sequence of (name, unit)
        The handcrafted features.
    beats_status : Mapping
        Name and value of every status of `/quality/beats_status`.
    version : int
        Version of the format.
    """
    stored = "<i2" if config.dtype == "int16" else "<f4"
    index = "<i2" if config.n_samples <= np.iinfo(np.int16).max else "<i4"
    has_dimensions = version >= _FIRST_WITH_DIMENSIONS
    scale_factor = MV_PER_COUNT if config.dtype == "int16" else 1.0
    signal_attributes = {
        "units": "mV",
        # By its type, readers that follow the CF conventions choose theirs.
        "scale_factor": np.float32(scale_factor) if has_dimensions else scale_factor,
        "fs": config.fs,
        "leads": config.leads,
    }
    # Where it stands, readers that follow the CF conventions see no sample.
    absent = {"_FillValue": np.array(-1, index)} if has_dimensions else {}
    classes = config.classes.classes
    n_leads, lead = len(config.leads), Dimension("lead", names=config.leads)
    time = Dimension(
        "time",
        fs=config.fs,
        attributes={"units": "s", "long_name": "time since the first sample"},
    )
    label, feature = _label(config), _feature(features)
    n_blocks = -(-config.n_samples // CHECKED_SAMPLES)
    specs = [
        DatasetSpec(
            SIGNALS,
            np.dtype(stored),
            (n_rows, n_leads, config.n_samples),
            True,
            signal_attributes,
            (RECORD, lead, time),
        ),
        DatasetSpec(
            LABELS,
            np.dtype("u1"),
            (n_rows, len(classes)),
            attributes=_in_version_1(
                version,
                names=label.names,
                codes=[",".join(one.codes) for one in classes],
            ),
            dimensions=(RECORD, label),
        ),
        *_target_specs(config, n_rows, version),
        DatasetSpec(
            FEATURES,
            np.dtype("<f4"),
            (n_rows, len(features)),
            True,
            _in_version_1(
                version, names=feature.names, units=[unit for _, unit in features]
            ),
            (RECORD, feature),
        ),
        DatasetSpec(
            FIDUCIALS,
            np.dtype(index),
            (n_rows, n_leads, config.max_beats, len(MARKS)),
            True,
            {"marks": MARKS, **absent},
            (RECORD, lead, BEAT, MARK),
        ),
        DatasetSpec(
            R_PEAKS,
            np.dtype(index),
            (n_rows, config.max_beats),
            True,
            absent,
            (RECORD, BEAT),
        ),
        *_quality_specs((n_rows, n_leads), (RECORD, lead), beats_status),
        *(
            DatasetSpec(
                f"{RECORDS}/{name}", np.dtype(dtype), (n_rows,), dimensions=(RECORD,)
            )
            for name, dtype in RECORD_NUMBERS.items()
            if version >= _FIRST_WITH_START or name != START
        ),
        *(
            DatasetSpec(
                f"{RECORDS}/{name}",
                np.dtype(f"S{max(MIN_TEXT_BYTES, text_widths[name])}"),
                (n_rows,),
                dimensions=(RECORD,),
            )
            for name in RECORD_TEXTS
            if version >= _FIRST_WITH_LEAD_TEXTS or name not in LEAD_TEXTS
        ),
        *(
            DatasetSpec(
                f"{RECORDS}/{name}",
                np.dtype(f"S{max(MIN_TEXT_BYTES, text_widths[name])}")
                if name in text_widths
                else np.dtype("<f8"),
                (n_rows,),
                dimensions=(RECORD,),
            )
            for name in extra_columns(config)
        ),
        *(
            [DatasetSpec(SAME_ECG, np.dtype("<i8"), (n_rows,), dimensions=(RECORD,))]
            if version >= _FIRST_WITH_SAME_ECG
            else []
        ),
        DatasetSpec(FOLDS, np.dtype("i1"), (n_rows,), dimensions=(RECORD,)),
        DatasetSpec(CHECKSUMS, np.dtype("<u4"), (n_rows,), True, dimensions=(RECORD,)),
        *(
            [
                DatasetSpec(
                    BLOCK_CHECKSUMS,
                    np.dtype("<u4"),
                    (n_rows, n_leads, n_blocks),
                    True,
                    dimensions=(RECORD, lead, Dimension("block")),
                ),
                DatasetSpec(
                    SIGNATURES,
                    np.dtype("u1"),
                    (n_rows, SIGNATURE.itemsize),
                    attributes={"version": np.int64(SIGNATURE_VERSION)},
                    dimensions=(RECORD, Dimension("signature_byte")),
                ),
            ]
            if version >= FIRST_WITH_HEAD
            else []
        ),
        DatasetSpec(STATE, np.dtype("u1"), (n_rows,), True, dimensions=(RECORD,)),
    ]
    return _of_version(specs, version)


def _in_version_1(version: int, **attributes: Any) -> dict[str, Any]:
    """Return attributes that later versions have as datasets, whatever their length."""
    return attributes if version < FIRST_WITH_HEAD else {}


def _of_version(specs: Iterable[DatasetSpec], version: int) -> tuple[DatasetSpec, ...]:
    """Return datasets without dimensions, if the version has none."""
    if version >= _FIRST_WITH_DIMENSIONS:
        return tuple(specs)
    return tuple(replace(spec, dimensions=()) for spec in specs)


def _target_specs(config: Config, n_rows: int, version: int) -> list[DatasetSpec]:
    """Return the dataset of the targets, if the store has some."""
    names = config.targets
    if not names:
        return []
    return [
        DatasetSpec(
            TARGETS,
            np.dtype("<f4"),
            (n_rows, len(names)),
            attributes=_in_version_1(version, names=names),
            dimensions=(RECORD, Dimension("target", names=names)),
        )
    ]


def _quality_specs(
    shape: tuple[int, ...],
    dimensions: tuple[Dimension, ...],
    beats_status: Mapping[str, int],
) -> list[DatasetSpec]:
    """Return the datasets in `/quality`: of records and leads, or of records alone."""
    specs = []
    for dataset in QUALITY_TABLE:
        n_axes = 2 if dataset.per_lead else 1
        attributes: dict[str, Any] = {
            "units": dataset.unit,
            "long_name": dataset.definition,
        }
        if dataset.name == BEATS_STATUS:
            # The attributes of an enumeration in the CF conventions.
            attributes["flag_values"] = np.array([*beats_status.values()], "u1")
            attributes["flag_meanings"] = " ".join(beats_status)
        specs.append(
            DatasetSpec(
                f"{QUALITY}/{dataset.name}",
                np.dtype(dataset.dtype),
                shape[:n_axes],
                dataset.name not in HEADER_FLAGS,
                attributes,
                dimensions[:n_axes],
            )
        )
    return specs


def _quarantine_specs(
    n_rows: int, text_widths: Mapping[str, int], version: int
) -> tuple[DatasetSpec, ...]:
    """Return the datasets in `/quarantine`, one row per record left out."""
    specs = (
        DatasetSpec(
            f"{QUARANTINE}/{name}",
            np.dtype(f"S{max(MIN_TEXT_BYTES, text_widths[name])}"),
            (n_rows,),
            dimensions=(ENTRY,),
        )
        for name in QUARANTINE_TEXTS
    )
    return _of_version(specs, version)
