from .find import find_headers as find_headers
from .given import given_headers as given_headers
from .origin import source_name as source_name
from .read import read_record as read_record
from .signal_hash import signal_sha256 as signal_sha256
from .wfdb.header import (
    Header as Header,
    LeadHeader as LeadHeader,
    Segment as Segment,
    read_header as read_header,
)
from .wfdb.record_files import record_files as record_files
