"""Show the progress of long work: a bar on a terminal, else a line every 30 s."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Final, Self, TypeVar

from tqdm import tqdm

from ecgstore.system.visible import visible

Item = TypeVar("Item")

_SECONDS_BETWEEN_LINES: Final = 30.0

# The most important numbers come first: a narrow terminal cuts off the end.
_KNOWN_TOTAL: Final = (
    "{desc}: {n_fmt}/{total_fmt}%s{postfix}, {rate_noinv_fmt}, {remaining} left"
)
_UNKNOWN_TOTAL: Final = "{desc}: {n_fmt}{unit}{postfix}, {rate_noinv_fmt}"


class _Bar(tqdm):  # type: ignore[type-arg]
    """A bar of tqdm that starts no thread."""

    monitor_interval = 0


_Bar.set_lock(threading.RLock())  # bars of this process only: no lock between processes


class Progress:
    """Progress of one task on standard error; a context manager.

    Parameters
    ----------
    title : str
        Name of the task, in a few words.
    total : int, optional
        Number of items, where it is known.
    unit : str
        Noun for the items, in the plural.
    done : int
        Number of items that an earlier run did.
    keep : bool
        Leave the last state on the screen, or in the log.
    announce : bool
        Print a line at the beginning too, where there is no bar.
    quiet : bool
        Show nothing.
    """

    def __init__(
        self,
        title: str,
        total: int | None = None,
        *,
        unit: str = "records",
        done: int = 0,
        keep: bool = True,
        announce: bool = False,
        quiet: bool = False,
    ) -> None:
        self._title, self._total, self._unit = visible(title), total, f" {unit}"
        self._n = self._n_before = done
        self._detail = ""
        self._keep = keep
        self._began = self._last_line = time.monotonic()
        self._bar: _Bar | None = None
        self._prints_lines = False
        if quiet or sys.stderr is None:  # None if a process starts without it
            return
        with self._display():
            if not getattr(sys.stderr, "isatty", lambda: False)():
                self._prints_lines = True
                if announce:
                    print(f"{self._title} ...", file=sys.stderr, flush=True)
                return
            self._bar = _Bar(
                desc=self._title,
                total=total,
                unit=self._unit,
                initial=done,
                leave=keep,
                miniters=1,  # every update looks at the clock
                dynamic_ncols=True,
                bar_format=_KNOWN_TOTAL % " |{bar}|" if total else _UNKNOWN_TOTAL,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._display():
            if self._bar is not None:
                self._bar.close()
            if self._prints_lines and self._keep:
                self._print_line()

    def update(self, n: int = 1, detail: str = "") -> None:
        """Add finished items.

        Parameters
        ----------
        n : int
            How many items were finished since the last update.
        detail : str
            Other numbers to show, such as a loss.
        """
        self._n += n
        self._detail = detail
        with self._display():
            if self._bar is not None:
                self._bar.set_postfix_str(detail, refresh=False)
                self._bar.update(n)
            elif (
                self._prints_lines
                and time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES
            ):
                self._print_line()

    @contextlib.contextmanager
    def _display(self) -> Iterator[None]:
        """Show nothing more once standard error fails, and let the work go on.

        Its reader or terminal is gone, it is closed, its disk is full, or it cannot
        encode a character.
        """
        try:
            yield
        except (OSError, ValueError):
            self._prints_lines = False
            if self._bar is not None:
                self._bar.disable = True  # nor at its deletion
                self._bar = None

    def _print_line(self) -> None:
        """Print the state of the whole task as a line."""
        self._last_line = time.monotonic()
        line = tqdm.format_meter(
            self._n,
            self._total or 0,
            self._last_line - self._began,
            initial=self._n_before,
            prefix=self._title,
            unit=self._unit,
            postfix=self._detail,
            bar_format=_KNOWN_TOTAL % "" if self._total else _UNKNOWN_TOTAL,
        )
        print(line, file=sys.stderr, flush=True)


def with_progress(
    items: Iterable[Item],
    title: str,
    total: int | None = None,
    quiet: bool = False,
    unit: str = "batches",
) -> Iterator[Item]:
    """Yield items, and show how many of them are done.

    The bar disappears after the last one. Parameters are those of `Progress`.
    """
    with Progress(title, total, unit=unit, keep=False, quiet=quiet) as progress:
        for item in items:
            yield item
            progress.update()
