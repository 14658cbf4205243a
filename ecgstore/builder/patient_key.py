"""Turn the numbers that patients have in hospitals into patient_ids of a store."""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from ecgstore.errors import EcgStoreError
from ecgstore.system.atomic_files import publish
from ecgstore.system.regular_files import require_regular_file

_N_KEY_BYTES: Final = 32
_MOST_BYTES: Final = 4096
_ELSEWHERE: Final = ": copy it there, or name a file that all see by --patient-key"
_N_DIGITS: Final = 32  # 128 bits: no two of 10 million patients get the same


class PatientKeyError(EcgStoreError):
    """The key cannot be read or created; it is no fault of a record."""


@dataclass(frozen=True, slots=True)
class PatientKey:
    """A function from hospital numbers to patient_ids.

    A patient_id is the HMAC-SHA-256 of the number with a secret key: who has no key
    cannot try out all numbers to find the patient. Builds with the same key give a
    patient the same one.

    Attributes
    ----------
    path : Path
        The file of the key; it is created when a number is first met.
    keeps_numbers : bool
        Return the numbers as they are, without a key.
    digest : str
        What the digest of the key must be; "" if any key will do.
    """

    path: Path
    keeps_numbers: bool = False
    digest: str = ""

    def __call__(self, number: str) -> str:
        """Return the patient_id of a number; "" for "".

        Raises
        ------
        PatientKeyError
            If the key can be neither read nor created.
        """
        if self.keeps_numbers or not number:
            return number
        if self.digest and not self.path.exists():
            raise PatientKeyError(
                f"{self.path}: is not there; expected the key of patient_ids that the "
                f"machine has which began the build{_ELSEWHERE}"
            )
        key = _read_or_create(self.path)
        if self.digest not in ("", _digest(key)):
            raise PatientKeyError(
                f"{self.path}: is another key of patient_ids than on the machine that "
                f"began the build; expected the same{_ELSEWHERE}"
            )
        return hmac.new(key, number.encode(), hashlib.sha256).hexdigest()[:_N_DIGITS]

    def pinned(self) -> Self:
        """Return a function for other machines, which refuses any other key.

        The key is created if there is none: machines would create one each.
        """
        if self.keeps_numbers:
            return self
        return replace(self, digest=_digest(_read_or_create(self.path)))

    def identity(self) -> str:
        """Return what must be the same to continue a build."""
        return "kept" if self.keeps_numbers else str(self.path)


def _digest(key: bytes) -> str:
    """Return the digest of a key, which is random and cannot be found by trying."""
    return hashlib.sha256(key).hexdigest()


def default_key_file() -> Path:
    """Return the file of the user's key: in the folder for settings."""
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(folder, "ecgstore", "patient.key")


def _read_or_create(path: Path) -> bytes:
    """Return the key in a file, created if there is none."""
    try:
        if not os.path.lexists(path):
            _create(path)
        require_regular_file(path, PatientKeyError)
        with open(path, "rb") as file:
            key = file.read(_MOST_BYTES).strip()
    except OSError as error:
        raise PatientKeyError(
            f"{path}: cannot use this file as the key of patient_ids "
            f"({error.strerror}); name another by --patient-key"
        ) from error
    if len(key) < _N_KEY_BYTES:
        raise PatientKeyError(
            f"{path}: is no key of patient_ids; expected {_N_KEY_BYTES} random bytes "
            "or more, or no file: then it is created"
        )
    return key


def _create(path: Path) -> None:
    """Write a new key that only the user can read, unless another process has."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_hex(_N_KEY_BYTES) + "\n")
    try:
        publish(unfinished, path, replace=False)
    except FileExistsError:  # whoever was first has made the key
        unfinished.unlink(missing_ok=True)
