"""ECG records on disk: find them, read their headers, read their signals.

`read_record` returns every record in the same form, whatever its files look like:
twelve leads in the order of `LEADS`, in mV, at the header's own sampling rate, with
NaN for missing samples. What cannot be read raises `RecordError` and nothing else.
"""

from ecgstore.sources.find import find_headers
from ecgstore.sources.given import given_headers
from ecgstore.sources.header import Header, LeadHeader, Segment, read_header
from ecgstore.sources.origin import source_name
from ecgstore.sources.read import read_record
from ecgstore.sources.record_files import record_files
from ecgstore.sources.signal_hash import signal_sha256

__all__ = [
    "Header",
    "LeadHeader",
    "Segment",
    "find_headers",
    "given_headers",
    "read_header",
    "read_record",
    "record_files",
    "signal_sha256",
    "source_name",
]
