"""A store as Croissant 1.0, the metadata of data sets for machine learning.

Croissant describes files, and tables of CSV, JSON and Parquet files. It has no word for
the datasets of an HDF5 file: the file is a FileObject with its size and checksum, and
fields name the path of their dataset as the ``column`` to extract, which validators
accept and no loader of Croissant reads. What fits into the description itself (classes,
sources and folds with their numbers of records) is there as data, which all of them
read.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ecgstore.reports.facts import StoreFacts
from ecgstore.reports.published import Publication, licence_of
from ecgstore.reports.sections.overview import licence_texts, summary_sentence
from ecgstore.storage import Store
from ecgstore.storage.format import schema

_CONTEXT: Final[Mapping[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context of the specification, without which validators warn."""

_CONFORMS_TO: Final = "http://mlcommons.org/croissant/1.0"
_HDF5: Final = "application/x-hdf5"
_BLOCK: Final = 1 << 22

_TYPES: Final = {
    "f4": "sc:Float",
    "f8": "sc:Float",
    "i1": "sc:Integer",
    "i2": "sc:Integer",
    "i4": "sc:Integer",
    "i8": "sc:Integer",
    "u1": "sc:Integer",
    "u4": "sc:Integer",
}
"""Types of Croissant by NumPy's."""

_DEFINITIONS: Final = {
    f"{schema.RECORDS}/record_id": "name of the record, unique within its source",
    f"{schema.RECORDS}/source": "database that the record is from",
    f"{schema.RECORDS}/path": "file of the record, relative to the folder of the build",
    f"{schema.RECORDS}/patient_id": "patient; empty if unknown",
    f"{schema.RECORDS}/age": "age in years, NaN if unknown",
    f"{schema.RECORDS}/sex": "sex of the patient",
    f"{schema.RECORDS}/dx": "diagnosis codes, separated by commas",
    f"{schema.RECORDS}/sha256": "SHA-256 of the source signal",
    f"{schema.RECORDS}/derived_leads": "leads that were computed from I and II",
    f"{schema.RECORDS}/missing_leads": "leads that were not recorded, stored as zeros",
    f"{schema.RECORDS}/{schema.START}": "time of the first sample in its file, in s",
    f"{schema.RECORDS}/fs_original": "sampling rate of the file in Hz",
    f"{schema.RECORDS}/n_samples_original": "samples of each lead in the file",
    schema.SAME_ECG: "first row with the same ECG, or its own number",
    schema.SIGNALS: "filtered signals in counts; mV = counts x scale_factor",
    schema.LABELS: "1 where the record is in the class; the classes are a record set",
    schema.TARGETS: "numbers to predict, NaN where unknown",
    schema.FEATURES: "handcrafted features, NaN where undefined",
    schema.FIDUCIALS: "samples of the marks of every beat in every lead, -1 if absent",
    schema.R_PEAKS: "samples of the beats, -1 after the last one",
    schema.FOLDS: "fold of the record, 0 to 9; folds share no patient",
    schema.CHECKSUMS: "CRC-32C of the bytes of the row of the signals",
}
_LEFT_OUT: Final = (schema.STATE, schema.BLOCK_CHECKSUMS, schema.SIGNATURES)
"""Datasets of no interest to who uses the data."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of the data set.

    Attributes
    ----------
    name : str
        Its name.
    n_bytes : int
        Its size.
    sha256 : str
        Its checksum.
    """

    name: str
    n_bytes: int
    sha256: str


def data_files(
    store: Store, progress: Callable[[int], None] = lambda n_bytes: None
) -> list[DataFile]:
    """Return the files of a store on a disk, the store itself first.

    Parameters
    ----------
    store : Store
        The store, or a collection.
    progress : callable
        Called with the number of bytes that were read since it was called before.
    """
    return [
        DataFile(path.name, path.stat().st_size, _sha256(path, progress))
        for path in store.files
    ]


def _sha256(path: Path, progress: Callable[[int], None]) -> str:
    """Return the SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            progress(len(block))
    return digest.hexdigest()


def croissant(
    store: Store,
    facts: StoreFacts,
    publication: Publication,
    files: Sequence[DataFile],
) -> dict[str, Any]:
    """Return the Croissant description of a store.

    Parameters
    ----------
    store : Store
        The store.
    facts : StoreFacts
        What was counted.
    publication : Publication
        What the publisher says.
    files : sequence of DataFile
        Its files, the store itself first. Without them, the description has no
        distribution and no tables of files: Croissant asks for checksums.
    """
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _CONFORMS_TO,
        "name": publication.name or store.file_name,
        "description": _description(store, facts, publication),
        "keywords": ["ECG", "electrocardiogram", "12-lead", *_class_names(store)],
        "version": f"1.0.0+{store.fingerprint[:12]}",
        "license": publication.licence,
        "url": publication.url,
        "citeAs": publication.citation,
        "datePublished": publication.date,
        "distribution": [_file_object(one) for one in files],
        "recordSet": [*_inline(store, facts), *_of_files(store, files)],
    }
    return {key: value for key, value in described.items() if value}


def _class_names(store: Store) -> list[str]:
    """Return what the classes are called in words."""
    return [one.description or one.name for one in store.config.classes.classes]


def _description(store: Store, facts: StoreFacts, publication: Publication) -> str:
    """Return what the data set is, and what Croissant cannot say of it."""
    licences = ", ".join(licence_texts(facts))
    return " ".join(
        [
            *([publication.description] if publication.description else []),
            summary_sentence(store, facts),
            f"Licences of the sources: {licences}.",
            "The tables are datasets of an HDF5 file, which Croissant cannot describe "
            "yet: fields give their paths; open the file with ecgstore, h5py or "
            "another HDF5 library.",
        ]
    )


def _file_object(one: DataFile) -> dict[str, Any]:
    """Return a file as a FileObject."""
    return {
        "@type": "cr:FileObject",
        "@id": one.name,
        "name": one.name,
        "contentUrl": one.name,
        "contentSize": f"{one.n_bytes} B",
        "encodingFormat": _HDF5,
        "sha256": one.sha256,
    }


def _inline(store: Store, facts: StoreFacts) -> Iterator[dict[str, Any]]:
    """Yield classes, sources and folds, with their numbers of records."""
    classes = store.config.classes.classes
    if classes:
        yield _with_data(
            "classes",
            "The columns of the labels.",
            {
                "name": "sc:Text",
                "description": "sc:Text",
                "codes": "sc:Text",
                "n_records": "sc:Integer",
            },
            [
                (one.name, one.description, ",".join(one.codes), int(n))
                for one, n in zip(classes, np.diag(facts.together), strict=True)
            ],
        )
    if facts.sources:
        yield _with_data(
            "sources",
            "The databases that records are from, with the licences under which they "
            "are published.",
            {"name": "sc:Text", "licence": "sc:Text", "n_records": "sc:Integer"},
            [
                (
                    one.name,
                    licence_of(one.name),
                    one.n_records,
                )
                for one in facts.sources
            ],
        )
    if facts.folds:
        yield _with_data(
            "folds",
            "Folds that share no known patient.",
            {"number": "sc:Integer", "n_records": "sc:Integer"},
            [(one.number, one.n_records) for one in facts.folds],
        )


def _with_data(
    name: str,
    description: str,
    types: Mapping[str, str],
    rows: Sequence[tuple[Any, ...]],
) -> dict[str, Any]:
    """Return a record set whose data are in the description."""
    identifiers = [f"{name}/{field}" for field in types]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "key": {"@id": identifiers[0]},
        "field": [
            {
                "@type": "cr:Field",
                "@id": identifier,
                "name": field,
                "dataType": type_,
            }
            for identifier, (field, type_) in zip(
                identifiers, types.items(), strict=True
            )
        ],
        "data": [dict(zip(identifiers, row, strict=True)) for row in rows],
    }


def _of_files(store: Store, files: Sequence[DataFile]) -> Iterator[dict[str, Any]]:
    """Yield the datasets of the file that have a row for each record."""
    if not files:
        return
    fields = [
        _field(store, path, files[0].name)
        for path in store.tables
        if path not in _LEFT_OUT
        and not path.startswith(f"{schema.QUARANTINE}/")
        and len(store.table(path)) == len(store)
        and _is_of_records(path)
    ]
    shape = (len(store), store.n_leads, store.n_samples)
    fields.append(
        _field_of(
            schema.SIGNALS, store.dtype.replace("int16", "i2"), shape, files[0].name
        )
    )
    yield {
        "@type": "cr:RecordSet",
        "@id": "records",
        "name": "records",
        "description": (
            "Datasets of the HDF5 file with one row for each record; the column to "
            "extract is the path of the dataset. Loaders of Croissant cannot read it: "
            "use ecgstore, h5py or another HDF5 library."
        ),
        "field": fields,
    }


def _is_of_records(path: str) -> bool:
    """Return whether a dataset has a row for each record."""
    group = path.partition("/")[0]
    return group in (
        schema.RECORDS,
        schema.QUALITY,
        schema.LABELS,
        schema.TARGETS,
        schema.FEATURES,
        schema.FIDUCIALS,
        schema.R_PEAKS,
        schema.FOLDS,
        schema.CHECKSUMS,
    )


def _field(store: Store, path: str, file: str) -> dict[str, Any]:
    """Return a dataset as a field."""
    table = store.table(path)
    return _field_of(path, table.dtype.str[1:], table.shape, file)


def _field_of(
    path: str, dtype: str, shape: tuple[int, ...], file: str
) -> dict[str, Any]:
    """Return a dataset of a type and shape as a field."""
    of_row = " x ".join(map(str, shape[1:]))
    definition = _DEFINITIONS.get(path, "") or _QUALITY.get(path, "column of a table")
    each = f"; each row is {of_row} values" if of_row else ""
    field: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"records/{path}",
        "name": path,
        "description": f"HDF5 dataset /{path}: {definition}{each}",
        "dataType": _TYPES.get(dtype, "sc:Text"),
        "source": {"fileObject": {"@id": file}, "extract": {"column": path}},
    }
    if of_row:
        field["repeated"] = True
    return field


_QUALITY: Final = {
    f"{schema.QUALITY}/{one.name}": one.definition for one in schema.QUALITY_TABLE
}
"""Definitions of the columns of quality."""
