"""Show finished records, how fast they are, and how many are in quarantine."""

import time

from ecgstore.system.progress import Progress


class Totals:
    """Sums over the tasks of a phase, shown by a progress bar.

    Parameters
    ----------
    progress : Progress
        The bar, or the lines.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._began = time.monotonic()
        self._n_bytes = self._n_quarantined = 0

    def add(self, n_records: int, n_bytes: int, n_quarantined: int) -> None:
        """Add a finished task: its records, their bytes, and those in quarantine."""
        self._n_bytes += n_bytes
        self._n_quarantined += n_quarantined
        seconds = max(time.monotonic() - self._began, 1e-9)
        self._progress.update(
            n_records,
            f"{self._n_quarantined} quarantined, {self._n_bytes / 1e6 / seconds:.1f} "
            "MB/s",
        )
