"""The built-in class sets by name, and the user's class sets in TOML files.

A file of a class set looks like this. A class is a list of codes or abbreviations, or a
table with a description::

    name = "conduction"

    [classes]
    NSR = ["426783006"]
    RBBB = ["RBBB", "CRBBB"]
    LBBB = {codes = ["164909002"], description = "left bundle branch block"}

An abbreviation stands for its own code only: the Challenge scores RBBB and CRBBB as one
diagnosis, but a class contains both only if it lists both.

With the line ``codes = "text"``, codes are taken as they are written: those of other
vocabularies, such as the statements of PTB-XL or the columns of a table::

    name = "fibrillation"
    codes = "text"

    [classes]
    AF = ["AFIB", "AF", "164889003"]
"""

import os
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from ecgstore.diagnoses.class_sets import ClassSet, DiagnosisClass, describe
from ecgstore.diagnoses.scp_ecg import SCP_CLASS_SETS
from ecgstore.diagnoses.snomed import code_of, diagnoses
from ecgstore.errors import ConfigError, cause_of, short_repr
from ecgstore.similar_names import did_you_mean
from ecgstore.system.regular_files import require_regular_file

_MOST_BYTES: Final = 2**20
"""Bytes of a file of a class set."""

_HYBRID: Final = (
    DiagnosisClass("NSR", "sinus rhythm", ("426783006",)),
    DiagnosisClass("MI", "myocardial infarction", ("164865005",)),
    DiagnosisClass("RBBB", "right bundle branch block", ("59118001", "713427006")),
    DiagnosisClass("AF", "atrial fibrillation", ("164889003",)),
    DiagnosisClass("NSSTTA", "nonspecific ST-T abnormality", ("428750005",)),
    DiagnosisClass("MIs", "myocardial ischemia", ("164861001",)),
    DiagnosisClass("LAD", "left axis deviation", ("39732003",)),
)

# Names of merged classes, by the code that the Challenge keeps. RBBB and CRBBB share
# the code of CRBBB; their class is named as in the hybrid sets.
_MERGED_NAMES: Final = {"713427006": "RBBB"}


def _hybrid7() -> ClassSet:
    """Return the seven classes of the hybrid models."""
    return ClassSet("hybrid7", _HYBRID)


def _hybrid6() -> ClassSet:
    """Return the seven classes without left axis deviation."""
    return ClassSet("hybrid6", _HYBRID[:-1])


def _cinc2020() -> ClassSet:
    """Return the 24 classes that the Challenge scores, equivalent codes merged."""
    merged: dict[str, list[str]] = {}
    for diagnosis in diagnoses().values():
        if diagnosis.scored:
            kept = diagnosis.equivalent_to or diagnosis.code
            merged.setdefault(kept, []).append(diagnosis.code)
    return ClassSet(
        "cinc2020", tuple(_merged_class(kept, codes) for kept, codes in merged.items())
    )


def _merged_class(kept: str, codes: list[str]) -> DiagnosisClass:
    """Return one scored class; the code that the Challenge keeps comes first."""
    name = _MERGED_NAMES.get(kept, diagnoses()[kept].abbreviation)
    ordered = (kept, *(code for code in codes if code != kept))
    return DiagnosisClass(name, describe(ordered), ordered)


def _code15() -> ClassSet:
    """Return the six classes of CODE-15 %, with their SNOMED CT codes."""
    # Columns of its table, and the diagnoses of Ribeiro et al. 2020, Nat. Commun. 11,
    # so that networks trained on it can be judged on records with SNOMED CT codes.
    columns = {
        "1dAVb": ("270492004",),
        "RBBB": ("59118001", "713427006"),
        "LBBB": ("164909002",),
        "SB": ("426177001",),
        "AF": ("164889003",),
        "ST": ("427084000",),
    }
    classes = (
        DiagnosisClass(name, describe(codes), (name, *codes))
        for name, codes in columns.items()
    )
    return ClassSet("code15", tuple(classes))


def _chagas() -> ClassSet:
    """Return the class of the Challenge 2025: Chagas disease."""
    return ClassSet(
        "chagas", (DiagnosisClass("Chagas", "Chagas disease", ("Chagas",)),)
    )


CLASS_SETS: Final[Mapping[str, Callable[[], ClassSet]]] = {
    "hybrid7": _hybrid7,
    "hybrid6": _hybrid6,
    "cinc2020": _cinc2020,
    **SCP_CLASS_SETS,
    "code15": _code15,
    "chagas": _chagas,
}
"""The built-in class sets by name; the first is the default of a build."""


@cache
def _built_in(name: str) -> ClassSet:
    """Return a built-in class set, always the same object."""
    return CLASS_SETS[name]()


def class_set(name_or_path: str | Path) -> ClassSet:
    """Return a built-in class set, or the class set in a TOML file.

    Parameters
    ----------
    name_or_path : str or Path
        A name in `CLASS_SETS`, such as ``"hybrid7"``, ``"cinc2020"`` or
        ``"ptbxl-super"``, or the path of a TOML file.

    Raises
    ------
    ConfigError
        If there is no such class set or file, or the file has no valid class set.

    Examples
    --------
    >>> class_set("hybrid7").names
    ('NSR', 'MI', 'RBBB', 'AF', 'NSSTTA', 'MIs', 'LAD')
    >>> len(class_set("cinc2020").classes)
    24
    >>> class_set("ptbxl-super").names
    ('NORM', 'MI', 'STTC', 'CD', 'HYP')
    """
    if not isinstance(name_or_path, str | Path):
        raise ConfigError(
            f"class set {short_repr(name_or_path)}: is no name; expected one of "
            f"{', '.join(CLASS_SETS)}, or the path of a TOML file"
        )
    name = str(name_or_path)
    if name in CLASS_SETS:
        return _built_in(name)
    path = Path(name_or_path)
    if path.suffix.lower() == ".toml" or os.path.isfile(path):
        return _read_class_set(path)
    raise ConfigError(
        f"unknown class set {name!r}; {did_you_mean(name, CLASS_SETS)}expected "
        f"{', '.join(CLASS_SETS)}, or the path of a TOML file"
    )


def _read_class_set(path: Path) -> ClassSet:
    """Return the class set in a TOML file; errors name the file."""
    require_regular_file(path)
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ValueError(f"larger than {_MOST_BYTES:,} bytes")
        content = tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))
    # Besides TOMLDecodeError: numbers of thousands of digits, brackets that are nested
    # too deeply.
    except (OSError, ValueError, RecursionError) as error:
        reason = cause_of(error) if isinstance(error, OSError) else error
        raise ConfigError(
            f"{path}: not a readable TOML file of a class set ({reason}); expected "
            'name = "..." and a table [classes] with lines such as: AF = ["164889003"]'
        ) from error
    try:
        return _parse_class_set(content)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _parse_class_set(content: Mapping[str, Any]) -> ClassSet:
    """Return the class set in the content of a TOML file."""
    unknown = [key for key in content if key not in ("name", "codes", "classes")]
    if unknown:
        raise ConfigError(
            f"unknown key {unknown[0]!r}; expected name, codes and [classes] only"
        )
    kind = content.get("codes", "snomed")
    if kind not in ("snomed", "text"):
        raise ConfigError(
            f'codes is {short_repr(kind)}; expected "snomed", or "text" for codes that '
            "are taken as they are written"
        )
    name = content.get("name")
    if not isinstance(name, str):
        raise ConfigError('there is no name; add a first line such as: name = "rhythm"')
    if name in CLASS_SETS:
        raise ConfigError(
            f"the name {name!r} is that of a built-in class set; choose another one"
        )
    classes = content.get("classes")
    if not isinstance(classes, dict):
        raise ConfigError(
            "there is no table [classes]; add one with lines such as: "
            'AF = ["164889003"]'
        )
    return ClassSet(
        name,
        tuple(
            _parse_class(*item, as_written=kind == "text") for item in classes.items()
        ),
    )


def _parse_class(name: str, value: object, *, as_written: bool) -> DiagnosisClass:
    """Return one class of a TOML file: a list of codes, or a table with that list."""
    table = value if isinstance(value, dict) else {"codes": value}
    codes = table.get("codes")
    description = table.get("description", "")
    if (
        not set(table) <= {"codes", "description"}
        or not isinstance(description, str)
        or not isinstance(codes, list)
        or not all(isinstance(code, str) for code in codes)
    ):
        raise ConfigError(
            f"class {name!r} is {short_repr(value)}; expected a list of codes in "
            'quotes, such as ["164889003"], or {codes = ["164889003"], '
            'description = "..."}'
        )
    resolved = tuple(codes if as_written else map(code_of, codes))
    return DiagnosisClass(name, description or describe(resolved), resolved)
