"""ECG records on disk: find them, read their headers, read their signals.

`read_record` returns every record in the same form, whatever the format of its files:
twelve leads in the order of `LEADS`, in mV, at the header's sampling rate, with NaN for
missing samples. A record that cannot be read raises `RecordError` and nothing else.
"""

from ecgstore.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
