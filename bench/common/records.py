"""What benchmarks run on: the records of a folder, and the options of a build."""

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

_IN_CONFIG: Final = {"fs_out": "fs", "order": "filter_order", "engine": "beats"}


def headers_in(folder: Path) -> list[Path]:
    """Return the headers of a folder, or end the program saying what is wrong."""
    try:
        headers = [*find_headers(folder)]
    except EcgStoreError as error:
        raise SystemExit(str(error)) from error
    if not headers:
        raise SystemExit(f"{folder}: expected a folder with records' .hea files")
    return headers


def accepted(headers: Iterable[Path], config: Config) -> Iterator[tuple[Path, Record]]:
    """Yield the records that a build would store, and leave out the others."""
    options = options_of(check, config)
    for path in headers:
        try:
            record = read_record(path)
            window = first_seconds(record.signal, record.fs, config.duration_s)
            check(window, record.fs, **options)
        except RecordError:
            continue
        yield path, record


def options_of(step: Callable[..., object], config: Config) -> dict[str, Any]:
    """Return the keyword-only arguments that a build gives to one of its steps."""
    return {
        name: getattr(config, _IN_CONFIG.get(name, name))
        for name, each in inspect.signature(step).parameters.items()
        if each.kind is inspect.Parameter.KEYWORD_ONLY
    }
