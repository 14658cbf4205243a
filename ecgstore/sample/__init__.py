"""Forty-eight real records of the Challenge, bundled with the package."""

from importlib import resources
from pathlib import Path


def sample_folder() -> Path:
    """Return the folder of the bundled records.

    Returns
    -------
    Path
        The folder ``training`` in the layout of the Challenge:
        ``<source>/g1/<record>.hea`` and ``.mat``.

    Examples
    --------
    >>> sorted(folder.name for folder in sample_folder().iterdir())
    ['cpsc_2018', 'cpsc_2018_extra', 'georgia', 'ptb', 'ptb-xl']
    """
    return _package_folder() / "training"


def patients_file() -> Path:
    """Return the CSV file with the patients of the bundled records.

    Returns
    -------
    Path
        A file with the columns ``record_id`` and ``patient_id``; it lists the PTB-XL
        records only, because the other sources do not publish patients.

    Examples
    --------
    >>> patients_file().read_text().splitlines()[:2]
    ['record_id,patient_id', 'HR00001,15709']
    """
    return _package_folder() / "patients.csv"


def _package_folder() -> Path:
    """Return the folder of this package, which is always installed unpacked."""
    return Path(str(resources.files(__name__)))
