"""Why a record was left out of a store: the codes in `/quarantine/reason`."""

from enum import StrEnum


class Reason(StrEnum):
    """A reason for quarantine; `description` explains it in a sentence."""

    description: str

    def __new__(cls, code: str, description: str) -> "Reason":
        """Make a member that equals its code and carries its description."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.description = description
        return member

    UNREADABLE_HEADER = (
        "unreadable_header",
        "the .hea file cannot be parsed as a WFDB header",
    )
    MISSING_SIGNAL_FILE = (
        "missing_signal_file",
        "the header names a signal file that does not exist or cannot be opened",
    )
    TRUNCATED_SIGNAL_FILE = (
        "truncated_signal_file",
        "the signal file is shorter than its header says",
    )
    WRONG_SIGNAL_SIZE = (
        "wrong_signal_size",
        "the signal file holds another number of leads or samples than its header",
    )
    UNREADABLE_SIGNAL = (
        "unreadable_signal",
        "the signal file is not in the format that its header names",
    )
    MISSING_LEADS = (
        "missing_leads",
        "not all of the twelve standard leads are there exactly once",
    )
    UNKNOWN_UNIT = (
        "unknown_unit",
        "a lead's unit is not one of mV, uV, V, so its scale cannot be known",
    )
    BAD_SAMPLING_RATE = (
        "bad_sampling_rate",
        "the sampling rate is zero, not a number, or outside 50 to 20,000 Hz",
    )
    BAD_GAIN = (
        "bad_gain",
        "a lead's gain is zero, not a number, or absurd",
    )
    ALL_SAMPLES_MISSING = (
        "all_samples_missing",
        "no lead has a single valid sample",
    )
    GAP_TOO_LONG = (
        "gap_too_long",
        "a lead misses more samples in a row than may be interpolated",
    )
    FLAT_LEAD = (
        "flat_lead",
        "a lead is constant from end to end and the options reject such records",
    )
    CLIPPED = (
        "clipped",
        "a larger part of a lead than allowed is stuck at its extreme values",
    )
    TOO_SHORT = (
        "too_short",
        "the record is shorter than the least duration asked for",
    )
    DUPLICATE_RECORD_ID = (
        "duplicate_record_id",
        "an earlier file of the same source has the same record name",
    )
    UNEXPECTED_ERROR = (
        "unexpected_error",
        "the record made ecgstore fail; please report it with the record",
    )
