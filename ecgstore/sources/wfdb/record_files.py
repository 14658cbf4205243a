"""Which files a record is made of."""

from pathlib import Path

from ecgstore.errors import RecordError
from ecgstore.sources.wfdb.header import Header, read_header


def record_files(path: Path, header: Header) -> list[str]:
    """Return the names of all files that a record is read from.

    Parameters
    ----------
    path : Path
        The record's ``.hea`` file.
    header : Header
        Its content.

    Returns
    -------
    list of str
        Names in the folder of `path`, each once, the header first. They need not exist.
    """
    names = [path.name, *(lead.file_name for lead in header.leads)]
    for segment in header.segments:
        of_segment = path.with_name(f"{segment.name}.hea")
        names.append(of_segment.name)
        try:
            names += [lead.file_name for lead in read_header(of_segment).leads]
        except RecordError:
            continue  # reading the record will say so
    return list(dict.fromkeys(names))
