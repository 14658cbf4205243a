"""The process of one transform: waits for commands, answers with seconds, as JSON.

Started by `bench.loading.transform_rates`, in the environment of its library.

Example::

    python -m bench.loading.transform_process MODULE standardise signals.npy
"""

import importlib
import json
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import torch

from bench.common.command_line import parser_of


def main(arguments: Sequence[str] | None = None) -> None:
    """Time a batch for every line of the input."""
    parser = parser_of("bench.loading.transform_process", __doc__)
    parser.add_argument("module", help="module with a function make(name)")
    parser.add_argument("name", help="name of the transform")
    parser.add_argument("signals", help="the batch in mV, .npy")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    module = importlib.import_module(options.module)
    transform = module.make(options.name)
    signals = np.load(options.signals)
    versions = {one: version(one) for one in getattr(module, "LIBRARIES", ())}
    print(json.dumps(versions), flush=True)
    copy = np.empty_like(signals)
    for _ in sys.stdin:
        copy[...] = signals
        begin = time.perf_counter()
        result = transform(copy)
        seconds = time.perf_counter() - begin
        del result
        print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    main()
