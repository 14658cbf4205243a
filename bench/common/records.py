"""The records that benchmarks run on, and the options of a build's steps."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, RecordError
from ecgstore.record import Record
from ecgstore.signals.preprocess import first_seconds
from ecgstore.signals.quality import check
from ecgstore.sources import find_headers, read_record

_CONFIG_FIELDS: Final = {"fs_out": "fs", "order": "filter_order", "engine": "beats"}
"""Fields of `Config` by the names of step arguments, where the two differ."""


def headers_in(folder: Path) -> list[Path]:
    """Return the paths of the headers in a folder.

    Raises
    ------
    SystemExit
        If there are none, or the folder cannot be read.
    """
    try:
        headers = [*find_headers(folder)]
    except EcgStoreError as error:
        raise SystemExit(str(error)) from error
    if not headers:
        raise SystemExit(f"{folder}: expected a folder with records' .hea files")
    return headers


def accepted_records(
    headers: Iterable[Path], config: Config
) -> Iterator[tuple[Path, Record]]:
    """Yield path and record of every header that a build would accept."""
    options = options_for(check, config)
    for path in headers:
        try:
            record = read_record(path)
            window = first_seconds(record.signal, record.fs, config.duration_s)
            check(window, record.fs, **options)
        except RecordError:
            continue
        yield path, record


def options_for(step: Callable[..., object], config: Config) -> dict[str, Any]:
    """Return the keyword-only arguments that a build passes to one of its steps.

    A build leaves those that are no options, such as `leads`, at their defaults.
    """
    fields = {
        name: _CONFIG_FIELDS.get(name, name)
        for name, parameter in inspect.signature(step).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    return {
        name: getattr(config, field)
        for name, field in fields.items()
        if hasattr(config, field)
    }
