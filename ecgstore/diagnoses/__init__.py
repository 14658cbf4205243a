"""Diagnoses as SNOMED CT codes, and class sets that turn them into labels."""

from ecgstore.diagnoses.class_set import (
    SELECT_RULES,
    ClassSet,
    DiagnosisClass,
    selects,
)
from ecgstore.diagnoses.counts import (
    CountRow,
    DiagnosisCounts,
    count_codes,
    count_diagnoses,
)
from ecgstore.diagnoses.labels_csv import LabelRow, read_labels_csv
from ecgstore.diagnoses.presets import PRESETS, class_set
from ecgstore.diagnoses.snomed import Diagnosis, code_of, diagnoses
from ecgstore.diagnoses.weights import challenge_weights

__all__ = [
    "PRESETS",
    "SELECT_RULES",
    "ClassSet",
    "CountRow",
    "Diagnosis",
    "DiagnosisClass",
    "DiagnosisCounts",
    "LabelRow",
    "challenge_weights",
    "class_set",
    "code_of",
    "count_codes",
    "count_diagnoses",
    "diagnoses",
    "read_labels_csv",
    "selects",
]
