from .chosen_signal import chosen_signal as chosen_signal
from .find import (
    OnUnreadable as OnUnreadable,
    describe_unreadable as describe_unreadable,
    find_headers as find_headers,
)
from .formats import (
    FORMATS as FORMATS,
    RecordFormat as RecordFormat,
    file_of as file_of,
    format_of as format_of,
    header_files as header_files,
    known_formats as known_formats,
)
from .given import given_headers as given_headers
from .lead_choice import (
    ChooseLeads as ChooseLeads,
    ChosenLeads as ChosenLeads,
    ecg_channels as ecg_channels,
    leads_of_build as leads_of_build,
    twelve_leads as twelve_leads,
)
from .origin import KNOWN_SOURCES as KNOWN_SOURCES, source_name as source_name
from .read import (
    open_record as open_record,
    read_header as read_header,
    read_record as read_record,
)
from .record_signal import RecordSignal as RecordSignal
from .signal_hash import SignalHash as SignalHash, signal_sha256 as signal_sha256
from .source import RecordHeader as RecordHeader, Source as Source
