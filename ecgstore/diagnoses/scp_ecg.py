"""The SCP-ECG statements of PTB-XL, and the six class sets of its benchmark.

The table beside this module is PTB-XL's own, licence CC BY 4.0: Wagner et al. 2020,
*Sci. Data* 7:154. Its statements describe the diagnosis, the form of the waves or the
rhythm; some describe both diagnosis and form. Diagnostic ones belong to one of 23
subclasses, and these to one of 5 superclasses.
"""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from ecgstore.diagnoses.class_sets import ClassSet, DiagnosisClass

_SUPERCLASSES: Final = {
    "NORM": "normal ECG",
    "MI": "myocardial infarction",
    "STTC": "ST/T change",
    "CD": "conduction disturbance",
    "HYP": "hypertrophy",
}
"""Superclasses in the usual order, with their names."""


@dataclass(frozen=True, slots=True)
class ScpStatement:
    """One SCP-ECG statement of PTB-XL.

    Attributes
    ----------
    code : str
        PTB-XL's abbreviation, such as ``"AFIB"``.
    name : str
        Full name.
    diagnostic, form, rhythm : bool
        What it describes; of the first two, it may be both.
    superclass, subclass : str
        Groups of a diagnostic statement; else empty.
    """

    code: str
    name: str
    diagnostic: bool
    form: bool
    rhythm: bool
    superclass: str
    subclass: str


@cache
def scp_statements() -> Mapping[str, ScpStatement]:
    """Return all statements by code, in the order of the table.

    Examples
    --------
    >>> scp_statements()["AFIB"].name
    'atrial fibrillation'
    >>> len(scp_statements())
    71
    """
    table = files("ecgstore.diagnoses").joinpath("scp_statements.csv")
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return {
        row[""]: ScpStatement(
            code=row[""],
            name=row["description"],
            diagnostic=row["diagnostic"] == "1.0",
            form=row["form"] == "1.0",
            rhythm=row["rhythm"] == "1.0",
            superclass=row["diagnostic_class"],
            subclass=row["diagnostic_subclass"],
        )
        for row in rows
    }


def _super() -> ClassSet:
    """Return the five superclasses.

    Their names are codes too, as in the labels of the Challenge 2024; NORM, which is
    one of the statements, is so anyway.
    """
    codes = _grouped(lambda statement: statement.superclass)
    classes = (
        DiagnosisClass(name, description, tuple(dict.fromkeys((*codes[name], name))))
        for name, description in _SUPERCLASSES.items()
    )
    return ClassSet("ptbxl-super", tuple(classes))


def _sub() -> ClassSet:
    """Return the 23 subclasses of diagnostic statements."""
    known = scp_statements()
    classes = (
        DiagnosisClass(name, " or ".join(known[code].name for code in codes), codes)
        for name, codes in _grouped(lambda statement: statement.subclass).items()
    )
    return ClassSet("ptbxl-sub", tuple(classes))


def _grouped(group: Callable[[ScpStatement], str]) -> dict[str, tuple[str, ...]]:
    """Return the codes of every group of diagnostic statements."""
    codes: dict[str, tuple[str, ...]] = {}
    for statement in scp_statements().values():
        if statement.diagnostic:
            name = group(statement)
            codes[name] = (*codes.get(name, ()), statement.code)
    return codes


def _of_kind(name: str, is_in: Callable[[ScpStatement], bool]) -> ClassSet:
    """Return a class for every statement of some kind."""
    classes = (
        DiagnosisClass(statement.code, statement.name, (statement.code,))
        for statement in scp_statements().values()
        if is_in(statement)
    )
    return ClassSet(name, tuple(classes))


SCP_CLASS_SETS: Final[Mapping[str, Callable[[], ClassSet]]] = {
    "ptbxl-super": _super,
    "ptbxl-sub": _sub,
    "ptbxl-diagnostic": lambda: _of_kind("ptbxl-diagnostic", lambda s: s.diagnostic),
    "ptbxl-form": lambda: _of_kind("ptbxl-form", lambda s: s.form),
    "ptbxl-rhythm": lambda: _of_kind("ptbxl-rhythm", lambda s: s.rhythm),
    "ptbxl-all": lambda: _of_kind("ptbxl-all", lambda s: True),
}
"""The class sets of PTB-XL's benchmark (Strodthoff et al. 2021, *IEEE J. Biomed. Health
Inform.* 25:1519) by name."""
