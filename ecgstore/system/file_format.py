"""Formats of the files that ecgstore writes: their names and versions."""

from dataclasses import dataclass
from pathlib import Path

from ecgstore.errors import SchemaError
from ecgstore.system.known_files import known_format


@dataclass(frozen=True, slots=True)
class FileFormat:
    """Name and version of a file format, which every file of this format contains.

    Attributes
    ----------
    name : str
        Name, such as ``"ecgstore model"``.
    version : int
        The version that is written.
    made_by : str
        Command or function that creates such files, for error messages.
    also_read : tuple of int
        Older versions that are read, too.
    """

    name: str
    version: int
    made_by: str
    also_read: tuple[int, ...] = ()

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
            If the name differs, or the version is not one that is read.
        """
        if not isinstance(name, str) or name != self.name:
            other = known_format(name)
            if other:
                raise SchemaError(
                    f"{where}: is {other}; expected a file made by {self.made_by}"
                )
            raise SchemaError(
                f"{where}: not an {self.name} file, its format is {name!r}; expected a "
                f"file made by {self.made_by}"
            )
        known = (*self.also_read, self.version)
        if type(version) is not int or version not in known:
            raise SchemaError(
                f"{where}: {self.name} file of format version {version}; this ecgstore "
                f"reads version {' and '.join(map(str, known))}: make the file again "
                f"with {self.made_by}, or use the release that made it"
            )
