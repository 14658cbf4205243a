"""Run tasks with one thread each, in processes of their own or in this one."""

from collections.abc import Callable
from typing import Any

import torch
from threadpoolctl import threadpool_limits


class OneThread:
    """Run tasks with one thread, because the number of threads changes the last bits.

    Parameters
    ----------
    function : callable
        Does one task.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self._n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        self._limits = threadpool_limits(1)  # scikit-learn's

    def __call__(self, task: Any) -> Any:
        """Run one task."""
        return self._function(task)

    def close(self) -> None:
        """Restore the numbers of threads of this process."""
        self._limits.restore_original_limits()
        torch.set_num_threads(self._n_threads)
