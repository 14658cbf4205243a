"""What a standardisation remembers: its statistics, and what they were fitted on."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.storage import Selection
from ecgstore.system.atomic_files import replace_file

_FORMAT: Final = "ecgstore standardisation"
_VERSION: Final = 1


@dataclass(frozen=True, kw_only=True)
class Standardisation:
    """Means and standard deviations, and which records they come from.

    Attributes
    ----------
    mean, sd : tuple of float
        One per lead or feature; `sd` is that of the population (divided by n).
    fingerprint : str
        `Store.fingerprint` of the store it was fitted on.
    rows_sha256 : str
        `Selection.rows_sha256` of the rows it was fitted on.
    n_records : int
        Their number.
    """

    mean: tuple[float, ...]
    sd: tuple[float, ...]
    fingerprint: str
    rows_sha256: str
    n_records: int

    def fitted_on(self, selection: Selection) -> bool:
        """Return whether it was fitted on exactly these rows of this very store."""
        return (
            self.fingerprint == selection.store.fingerprint
            and self.rows_sha256 == selection.rows_sha256
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all there is to it, for JSON; `from_dict` gives the same back."""
        kind = type(self).__name__
        return {"format": _FORMAT, "version": _VERSION, "kind": kind, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what `to_dict` described.

        Raises
        ------
        SchemaError
            If the values describe something else, or another version of it.
        """
        head = {"format": _FORMAT, "version": _VERSION, "kind": cls.__name__}
        names = {each.name for each in fields(cls)}
        expected = f"expected format {_FORMAT!r}, version {_VERSION}, {cls.__name__}"
        if set(values) != names | set(head):
            raise SchemaError(
                f"not a saved {cls.__name__}: {expected} with "
                + ", ".join(sorted(names))
            )
        found = {name: values[name] for name in head}
        if found != head:
            raise SchemaError(
                f"{found['format']!r}, version {found['version']}, {found['kind']}; "
                f"{expected}: load it with the class and version that saved it"
            )
        settings: dict[str, Any] = {
            name: tuple(value) if isinstance(value := values[name], list) else value
            for name in names
        }
        if not _are_statistics(settings["mean"], settings["sd"]):
            raise SchemaError(
                "mean and sd are no finite numbers, as many of each; save the "
                f"{cls.__name__} again"
            )
        return cls(**settings)

    def save(self, path: str | Path) -> None:
        """Write it to a JSON file, which appears whole or not at all.

        Raises
        ------
        EcgStoreError
            If the file cannot be written.
        """
        with replace_file(Path(path)) as file:
            file.write(json.dumps(self.to_dict(), indent=1) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote: the same to the last bit.

        Raises
        ------
        EcgStoreError
            If there is no such file.
        SchemaError
            If the file holds something else.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise EcgStoreError(
                f"{path}: cannot be read ({error.strerror}); expected a file that "
                f"{cls.__name__}.save wrote"
            ) from error
        except ValueError as error:
            raise SchemaError(
                f"{path}: no JSON ({error}); expected a file that {cls.__name__}.save "
                "wrote"
            ) from error
        try:
            return cls.from_dict(values if isinstance(values, dict) else {})
        except SchemaError as error:
            raise SchemaError(f"{path}: {error}") from error

    def divisors(self) -> tuple[float, ...]:
        """Return the standard deviations, 1 for a constant."""
        return tuple(sd if sd > 0 else 1.0 for sd in self.sd)


def _are_statistics(mean: Any, sd: Any) -> bool:
    """Return whether these are finite numbers, as many of each, no sd below zero."""
    return (
        isinstance(mean, tuple)
        and isinstance(sd, tuple)
        and len(mean) == len(sd) > 0
        and all(isinstance(each, float) and math.isfinite(each) for each in mean + sd)
        and min(sd) >= 0
    )
