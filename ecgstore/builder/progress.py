"""Show how far a build is: a bar on a terminal, now and then a line elsewhere."""

import contextlib
import sys
import time
from types import TracebackType
from typing import Final, Self

from tqdm import tqdm

_SECONDS_BETWEEN_LINES: Final = 10.0

# What matters most stands first: a narrow terminal cuts the end.
_BAR: Final = (
    "{desc}: {n_fmt}/{total_fmt} |{bar}|{postfix}, {rate_fmt}, {remaining} left"
)


class Progress:
    """Progress of one phase, on standard error.

    Parameters
    ----------
    phase : str
        What is being done, in a word.
    total : int or None
        Number of records, where it is known.
    done : int
        Records that an earlier run did.
    quiet : bool
        Show nothing.
    """

    def __init__(
        self, phase: str, total: int | None, *, done: int = 0, quiet: bool = False
    ) -> None:
        self._phase = phase
        self._total = total
        self._done = self._done_before = done
        self._n_bytes = self._n_quarantined = 0
        self._began = self._last_line = time.monotonic()
        self._lines = not quiet and not sys.stderr.isatty()
        # Not even a disabled bar: it would start a thread of its own.
        self._bar = (
            None
            if quiet or self._lines
            else tqdm(
                desc=phase,
                total=total,
                initial=done,
                unit=" records",
                dynamic_ncols=True,
                bar_format=_BAR,
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._lines:
            self._print_line()

    def update(self, n_records: int, n_bytes: int, n_quarantined: int) -> None:
        """Note that more records are done.

        Parameters
        ----------
        n_records : int
            How many more.
        n_bytes : int
            Their bytes read or written.
        n_quarantined : int
            How many of them went into quarantine.
        """
        self._done += n_records
        self._n_bytes += n_bytes
        self._n_quarantined += n_quarantined
        if self._bar is not None:
            self._bar.set_postfix_str(self._rates(), refresh=False)
            self._bar.update(n_records)
        if self._lines and time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._print_line()

    def _rates(self) -> str:
        """Return megabytes a second and the size of the quarantine."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        return (
            f"{self._n_quarantined} quarantined, "
            f"{self._n_bytes / 1e6 / seconds:.1f} MB/s"
        )

    def _print_line(self) -> None:
        """Write one line about the whole phase so far."""
        self._last_line = time.monotonic()
        seconds = max(self._last_line - self._began, 1e-9)
        rate = (self._done - self._done_before) / seconds
        of = "" if self._total is None else f" of {self._total}"
        left = ""
        if self._total is not None and rate > 0 and self._done < self._total:
            left = f", {(self._total - self._done) / rate:.0f} s left"
        with contextlib.suppress(BrokenPipeError):  # nobody reads: no reason to stop
            print(
                f"{self._phase}: {self._done}{of} records, {rate:.0f} records/s, "
                f"{self._rates()}{left}",
                file=sys.stderr,
                flush=True,
            )
