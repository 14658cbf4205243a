"""Write records of a store, some or all of them, as a store of their own."""

import os
from pathlib import Path

from ecgstore.builder.copied_rows import write_rows
from ecgstore.builder.output_place import check_output_place
from ecgstore.errors import EcgStoreError
from ecgstore.storage import Selection, Store


def write_subset(
    selection: Selection, out: str | Path, *, overwrite: bool = False
) -> None:
    """Write the selected records as a store of their own.

    Rows keep their order, folds and values. Labels in a file beside the store are
    written as labels of the new one. Its quarantine is empty. Every signal is compared
    with its checksum on the way.

    Parameters
    ----------
    selection : Selection
        Records of a store, as `Store.select` returns them.
    out : str or Path
        The store to write; it appears when it is complete.
    overwrite : bool
        Replace a file of that name.

    Raises
    ------
    EcgStoreError
        If nothing is selected, the file exists, or it cannot be written.
    SchemaError
        If a signal is damaged.
    """
    store, rows = selection.store, selection.rows
    final = Path(os.path.abspath(out))
    if not len(rows):
        raise EcgStoreError(f"{store.place}: no record is selected; nothing to write")
    check_output_place(final, store.files, overwrite)
    write_rows(selection, final, with_quarantine=False)


def convert_store(
    store: str | Path, out: str | Path, *, overwrite: bool = False
) -> None:
    """Write a store of an older version of the format in the one that is written now.

    A collection is written as one store. Rows, values, folds and the quarantine stay.
    Labels in a file beside the store are written as labels of the new one. Every signal
    is compared with its checksum on the way. The new store has another fingerprint, so
    that files made for the old one, such as extracted features, are made again.

    Parameters
    ----------
    store : str or Path
        The store or collection; a store of the current version is written again.
    out : str or Path
        The store to write; it appears when it is complete.
    overwrite : bool
        Replace a file of that name.

    Raises
    ------
    EcgStoreError
        If there is no such store, the output exists, or it cannot be written.
    SchemaError
        If a signal is damaged.
    """
    final = Path(os.path.abspath(out))
    with Store(Path(os.path.abspath(store))) as opened:
        check_output_place(final, opened.files, overwrite)
        write_rows(opened.select(), final, with_quarantine=True)
