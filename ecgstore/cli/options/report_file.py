"""The type of options that name a table or a plot to write."""

import os
from pathlib import Path
from typing import Any

import click

from ecgstore.errors import EcgStoreError
from ecgstore.system.known_files import known_file


class ReportFile(click.Path):
    """A table or a plot: it replaces an older one, but nothing that a command reads.

    Reports are made again and again, and soon; a store, a model or the predictions of a
    comparison took hours, and were named by mistake.

    Parameters
    ----------
    dir_okay : bool
        Whether a folder may be given.
    """

    def __init__(self, *, dir_okay: bool = False) -> None:
        super().__init__(path_type=Path, dir_okay=dir_okay)

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Return the path.

        Raises
        ------
        EcgStoreError
            If it is a file of ecgstore that is no report.
        """
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        known = known_file(path) if path.is_file() else ""
        if known:
            raise EcgStoreError(
                f"{path}: is {known}; choose another name for the output, which would "
                "replace it"
            )
        return path
