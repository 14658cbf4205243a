"""Codes for the use of a patient's records in the training of a network: `/seen`."""

from enum import IntEnum
from typing import Final


class Seen(IntEnum):
    """Use of a patient's records in the training of a network: a value of `/seen`."""

    UNSEEN = 0
    """No record of the patient was used."""
    VALIDATION = 1
    """The epoch was chosen by the validation score on a record of the patient."""
    TRAINING = 2
    """The network was trained on a record of the patient."""
    UNKNOWN = 3
    """The checkpoint does not say which records were used."""


SEEN_NAMES: Final = tuple(code.name.lower() for code in Seen)
"""Names of the codes from 0 on: the attribute ``names`` of `/seen`."""
