"""Formats of the files that ecgstore writes: their names and versions."""

from dataclasses import dataclass
from pathlib import Path

from ecgstore.errors import SchemaError


@dataclass(frozen=True, slots=True)
class FileFormat:
    """Name and version of a file format, which every file of this format contains.

    Attributes
    ----------
    name : str
        Name, such as ``"ecgstore model"``.
    version : int
        The version that is written, and the only one that is read.
    made_by : str
        Command or function that creates such files, for error messages.
    """

    name: str
    version: int
    made_by: str

    def check(self, where: str | Path, name: object, version: object) -> None:
        """Refuse a file of another format or version.

        Parameters
        ----------
        where : str or Path
            The file: the beginning of the error message.
        name, version : object
            Name and version in the file.

        Raises
        ------
        SchemaError
            If one of them differs.
        """
        if not isinstance(name, str) or name != self.name:
            raise SchemaError(
                f"{where}: not an {self.name} file, its format is {name!r}; expected a "
                f"file made by {self.made_by}"
            )
        if type(version) is not int or version != self.version:
            raise SchemaError(
                f"{where}: {self.name} file of format version {version}; this ecgstore "
                f"reads version {self.version}: make the file again with "
                f"{self.made_by}, or use the release that made it"
            )
