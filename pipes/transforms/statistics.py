"""Means and standard deviations, the identity of their records, and their file."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.storage import Selection
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.file_format import FileFormat

_FORMAT: Final = FileFormat("ecgstore standardisation", 1, "its method save")

_TYPES: Final[Mapping[str, type]] = {
    "fingerprint": str,
    "rows_sha256": str,
    "n_records": int,
    "leads": tuple,
    "features": tuple,
    "by": str,
    "fs": float,
}
"""Types of the settings beside mean and sd, of the classes that have them."""


@dataclass(frozen=True, kw_only=True)
class Standardisation:
    """Means and standard deviations, and the identity of the records they come from.

    Attributes
    ----------
    mean, sd : tuple of float
        One per lead or feature; `sd` is that of the population (divided by n).
    fingerprint : str
        `Store.fingerprint` of the store of the training records.
    rows_sha256 : str
        `Selection.rows_sha256` of the training records.
    n_records : int
        Number of training records.
    """

    mean: tuple[float, ...]
    sd: tuple[float, ...]
    fingerprint: str
    rows_sha256: str
    n_records: int

    def fitted_on(self, selection: Selection) -> bool:
        """Return whether it was fitted on exactly these rows of this store."""
        return (
            self.fingerprint == selection.store.fingerprint
            and self.rows_sha256 == selection.rows_sha256
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the contents for JSON; `from_dict` is the inverse."""
        return {**self._header(), **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the standardisation from a result of `to_dict`.

        Raises
        ------
        SchemaError
            If the values are of another class, format or version.
        """
        header = cls._header()
        names = {field.name for field in fields(cls)}
        expected = sorted(names | set(header))
        if sorted(values) != expected:
            raise SchemaError(
                f"not a saved {cls.__name__}; expected {', '.join(expected)}"
            )
        _FORMAT.check(f"a saved {cls.__name__}", values["format"], values["version"])
        if values["class"] != cls.__name__:
            raise SchemaError(
                f"saved by {values['class']}; expected {cls.__name__}: load it with "
                "the class that saved it"
            )
        settings: dict[str, Any] = {
            name: tuple(value) if isinstance(value := values[name], list) else value
            for name in names
        }
        if not _are_statistics(settings["mean"], settings["sd"]):
            raise SchemaError(
                "mean and sd are not two lists of finite numbers of the same length; "
                f"save the {cls.__name__} again"
            )
        for name in names & _TYPES.keys():
            if type(settings[name]) is not _TYPES[name]:
                raise SchemaError(
                    f"{name} is of type {type(settings[name]).__name__}; expected "
                    f"{_TYPES[name].__name__}: save the {cls.__name__} again"
                )
        for name in names & {"leads", "features"}:
            are_texts = [isinstance(text, str) for text in settings[name]]
            if not all(are_texts) or len(are_texts) != len(settings["mean"]):
                raise SchemaError(
                    f"{name} are not {len(settings['mean'])} names, as many as means; "
                    f"save the {cls.__name__} again"
                )
        return cls(**settings)

    @classmethod
    def _header(cls) -> dict[str, Any]:
        """Return format, version and class: the first entries of the file."""
        return {
            "format": _FORMAT.name,
            "version": _FORMAT.version,
            "class": cls.__name__,
        }

    def save(self, path: str | Path) -> None:
        """Write a JSON file, atomically.

        Raises
        ------
        EcgStoreError
            If the file cannot be written.
        """
        with replace_file(Path(path)) as file:
            file.write(json.dumps(self.to_dict(), indent=1) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a file that `save` wrote; the result is equal bit for bit.

        Raises
        ------
        EcgStoreError
            If the file cannot be read.
        SchemaError
            If the file has other contents.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise EcgStoreError(
                f"{path}: cannot be read ({error.strerror}); expected a file that "
                f"{cls.__name__}.save wrote"
            ) from error
        except (ValueError, RecursionError) as error:
            raise SchemaError(
                f"{path}: not JSON ({error}); expected a file that {cls.__name__}.save "
                "wrote"
            ) from error
        try:
            return cls.from_dict(values if isinstance(values, dict) else {})
        except SchemaError as error:
            raise SchemaError(f"{path}: {error}") from error

    def divisors(self) -> tuple[float, ...]:
        """Return the standard deviations, with 1 in place of 0."""
        return tuple(sd if sd > 0 else 1.0 for sd in self.sd)


def _are_statistics(mean: Any, sd: Any) -> bool:
    """Return whether these are finite numbers of equal count, and no sd is negative."""
    return (
        isinstance(mean, tuple)
        and isinstance(sd, tuple)
        and len(mean) == len(sd) > 0
        and all(isinstance(x, float) and math.isfinite(x) for x in mean + sd)
        and min(sd) >= 0
    )
