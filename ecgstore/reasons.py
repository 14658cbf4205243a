"""The reasons for leaving a record out of a store, as in `/quarantine/reason`."""

from enum import StrEnum


class Reason(StrEnum):
    """A reason for quarantine; its value is the code, `description` explains it."""

    description: str

    def __new__(cls, code: str, description: str) -> "Reason":
        """Create a member that equals its code and has a description."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.description = description
        return member

    UNREADABLE_HEADER = (
        "unreadable_header",
        "the .hea file cannot be parsed as a WFDB header, or a file of another format "
        "is damaged",
    )
    MISSING_SIGNAL_FILE = (
        "missing_signal_file",
        "the header names a signal file that does not exist or cannot be opened",
    )
    TRUNCATED_SIGNAL_FILE = (
        "truncated_signal_file",
        "the signal file has fewer samples than its header says",
    )
    WRONG_SIGNAL_SIZE = (
        "wrong_signal_size",
        "the signal file has another number of leads or samples than its header",
    )
    UNREADABLE_SIGNAL = (
        "unreadable_signal",
        "the signal file is not in the format that its header names",
    )
    MISSING_LEADS = (
        "missing_leads",
        "one of the store's leads is missing and cannot be derived, is perhaps "
        "inverted, or occurs twice",
    )
    UNKNOWN_UNIT = (
        "unknown_unit",
        "a lead's unit is not mV, uV or V, so its scale is unknown",
    )
    BAD_SAMPLING_RATE = (
        "bad_sampling_rate",
        "the sampling rate is zero, not a number, or outside 50 to 20,000 Hz",
    )
    BAD_GAIN = (
        "bad_gain",
        "a lead's gain is zero, not a number, or impossible",
    )
    ALL_SAMPLES_MISSING = (
        "all_samples_missing",
        "no lead has a single valid sample",
    )
    NOT_FINITE = (
        "not_finite",
        "a sample of a lead is infinite",
    )
    GAP_TOO_LONG = (
        "gap_too_long",
        "a lead has a longer gap of missing samples than may be interpolated",
    )
    FLAT_LEAD = (
        "flat_lead",
        "a lead is constant throughout, and the options reject such records",
    )
    CLIPPED = (
        "clipped",
        "a lead is at its extreme values for a larger part than allowed",
    )
    TOO_SHORT = (
        "too_short",
        "the record is shorter than the minimum duration of the options",
    )
    TOO_LARGE = (
        "too_large",
        "the record, or a file that must be read as a whole, exceeds a limit of size",
    )
    MISSING_LIBRARY = (
        "missing_library",
        "the library that reads the file's format is not installed: "
        "pip install 'ecgstore[formats]'",
    )
    DUPLICATE_RECORD_ID = (
        "duplicate_record_id",
        "another record of the same source and name is stored",
    )
    CHANGED_DURING_BUILD = (
        "changed_during_build",
        "the record's files kept changing while the store was built",
    )
    UNEXPECTED_ERROR = (
        "unexpected_error",
        "ecgstore failed on the record; please report this together with the record",
    )
