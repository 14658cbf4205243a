"""The process in which one loader streams from a server, controlled as `process` is.

Example::

    python -m bench.loading.remote_process MODULE CLASS scratch/8004_rows \
        "shuffled int16" http://127.0.0.1:8000 scratch/cache

Besides the loader, this module needs NumPy only.
"""

import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.common.processes import processor_seconds
from bench.loading.process import Runner, process_parser, reserved_output, serve
from bench.loading.workloads import Batch


class RemoteRunner(Runner):
    """Runs the commands on a loader that streams from a URL.

    Parameters
    ----------
    module, name, folder, workload : str
        As of `Runner`.
    url, cache : str
        The URL of the folder, and an empty folder.
    """

    def __init__(
        self, module: str, name: str, folder: str, workload: str, url: str, cache: str
    ) -> None:
        super().__init__(module, name, folder, workload)
        self._url, self._cache = url, cache

    def open(self) -> dict[str, Any]:
        """Make the loader."""
        begin = time.perf_counter()
        self._loader = self._class(self._files, self._url, self._cache)
        return {"wall": time.perf_counter() - begin}

    def stream(self, seconds: float, records: int | None = None) -> dict[str, Any]:
        """Time an epoch; return the rows in the order in which they came.

        It ends after the batch in which `seconds` have passed, if it is not over; of
        loaders that are told the order, it has at most as many `records`.

        Returns
        -------
        dict
            ``wall``: all of it; ``first``: until the first batch; ``cpu``; ``rows``.
        """
        rows = self._next_rows()[:records]
        found: list[list[int]] = []
        cpu, begin = processor_seconds(), time.perf_counter()
        first, last = math.nan, begin
        batches: Iterator[Batch] = iter(self._loader.epoch(rows))
        for numbers, _, _ in batches:
            last = time.perf_counter()
            if not found:
                first = last - begin
            found.append(np.asarray(numbers).tolist())
            if last - begin > seconds:
                break
        return {
            "wall": last - begin,
            "first": first,
            "cpu": processor_seconds() - cpu,
            "rows": [row for batch in found for row in batch],
        }


def main() -> None:
    """Run commands, with the standard output reserved for answers."""
    parser = process_parser("bench.loading.remote_process", __doc__)
    parser.add_argument("url", help="URL of the folder")
    parser.add_argument("cache", help="an empty folder")
    options = parser.parse_args()
    answers = reserved_output()
    serve(RemoteRunner(**vars(options)), answers)


if __name__ == "__main__":
    main()
