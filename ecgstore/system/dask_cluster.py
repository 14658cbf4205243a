"""An executor on a Dask cluster: that of a scheduler, or processes of this machine."""

import logging
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from typing import Final

from ecgstore.errors import EcgStoreError
from ecgstore.system.workers import deaf_to_interruption

LOCAL: Final = "local"

_CONNECT_S: Final = 30

_OF_WORKERS: Final = {
    # Workers that Dask profiles all the time need a third more time.
    "distributed.worker.profile.enabled": False,
    # Dask has memory given back to the system all the time, which takes a quarter of
    # the time of kernels that need arrays. One thread, as all our processes.
    "distributed.nanny.pre-spawn-environ": dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
    ),
}
"""Settings of the processes that ``"local"`` starts."""


@contextmanager
def dask_executor(address: str, n_workers: int) -> Iterator[Executor]:
    """Yield an executor whose tasks are done by the workers of a Dask cluster.

    Parameters
    ----------
    address : str
        Address of a scheduler, such as ``tcp://10.0.0.1:8786``, or ``"local"``.
    n_workers : int
        Number of processes of this machine for ``"local"``.

    Raises
    ------
    EcgStoreError
        If Dask is not installed, or there is no scheduler at the address.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise EcgStoreError(
            "Dask is not installed; install it here and on all workers: pip install "
            "'ecgstore[dask]'"
        ) from error
    # A lost worker takes hundreds of lines there, and one here.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with ExitStack() as opened:
        if address == LOCAL:
            opened.enter_context(dask.config.set(_OF_WORKERS))
            # Ctrl-C reaches the whole process group; each worker would print a
            # traceback.
            with deaf_to_interruption():
                cluster = LocalCluster(  # type: ignore[no-untyped-call]
                    n_workers=n_workers,
                    threads_per_worker=1,
                    dashboard_address="127.0.0.1:0",  # any: that of Dask may be taken
                    silence_logs=logging.CRITICAL,
                )
            opened.enter_context(cluster)
            address = cluster.scheduler_address
        try:
            client = Client(  # type: ignore[no-untyped-call]
                address, timeout=_CONNECT_S
            )
        except (OSError, ValueError) as error:
            raise EcgStoreError(
                f"{address}: no Dask scheduler answers ({type(error).__name__}); "
                "expected an address such as tcp://10.0.0.1:8786, which `dask "
                "scheduler` prints when it starts, or local"
            ) from error
        yield opened.enter_context(client).get_executor(pure=False)
