"""Real records: the signals equal those that the wfdb library reads."""

from collections import Counter
from pathlib import Path

import numpy as np
import wfdb

from ecgstore.record import LEADS
from ecgstore.sample import sample_folder
from ecgstore.sources import (
    find_headers,
    read_header,
    read_record,
    signal_sha256,
    source_name,
)


def _read_with_wfdb(header: Path, scratch: Path) -> np.ndarray:
    """Return the wfdb library's signal in mV, (12, n_samples).

    It cannot parse a record name with ``.mat``, so that it gets such headers without.
    """
    text = header.read_text()
    name = text.split(maxsplit=1)[0]
    path = header.with_suffix("")
    if name.endswith(".mat"):
        path = scratch / header.stem
        path.with_suffix(".hea").write_text(text.replace(".mat", "", 1))
        path.with_suffix(".mat").symlink_to(header.with_suffix(".mat").resolve())
    record = wfdb.rdrecord(str(path))
    assert [lead.lower() for lead in record.sig_name] == [
        name.lower() for name in LEADS
    ]
    return np.asarray(record.p_signal).T


def _check_equal(header: Path, scratch: Path) -> None:
    """Check that both readers give the same numbers, to the last bit."""
    record = read_record(header)
    np.testing.assert_array_equal(record.signal, _read_with_wfdb(header, scratch))
    assert record.n_samples_original == record.signal.shape[1]
    assert record.record_id == header.stem
    assert not record.checksum_differs.any()
    assert not record.first_value_differs.any()


def _other_dialect(text: str) -> str:
    """Return a header of one dialect of the Challenges in the other."""
    if "16x1+24" in text:
        text = text.replace("16x1+24", "16+24").replace("1000.0(0)/", "1000/")
        return text.replace("# ", "#")
    return text.replace("16+24", "16x1+24").replace("1000/", "1000.0(0)/")


def test_the_bundled_sample_equals_wfdb(tmp_path: Path) -> None:
    headers = list(find_headers(sample_folder()))
    assert len(headers) > 20
    for header in headers:
        _check_equal(header, tmp_path)


def test_the_bundled_sample_in_the_other_dialect(tmp_path: Path) -> None:
    dialects: Counter[bool] = Counter()
    for header in find_headers(sample_folder()):
        text = header.read_text()
        dialects["16x1+24" in text] += 1
        other = tmp_path / header.name
        other.write_text(_other_dialect(text))
        assert other.read_text() != text
        # As text, because an unknown age is no number and equals nothing.
        assert repr(read_header(other)) == repr(read_header(header))
    assert set(dialects) == {False, True}


def test_every_challenge_record_equals_wfdb(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "challenge-2020" / "training"
    headers = list(find_headers(root))
    assert len(headers) == 667
    for header in headers:
        _check_equal(header, tmp_path)
    # data/README.md has the same numbers.
    assert Counter(source_name(header, root) for header in headers) == {
        "cpsc_2018": 25,
        "cpsc_2018_extra": 29,
        "georgia": 74,
        "ptb": 10,
        "ptb-xl": 529,
    }


def test_known_copies_and_no_others_have_one_fingerprint(shared_data: Path) -> None:
    by_fingerprint: dict[str, list[str]] = {}
    for header in find_headers(shared_data / "challenge-2020" / "training"):
        record = read_record(header)
        fingerprint = signal_sha256(record.signal)
        by_fingerprint.setdefault(fingerprint, []).append(record.record_id)
    copies = [names for names in by_fingerprint.values() if len(names) > 1]
    assert sorted(copies) == [  # data/README.md
        ["E07509", "E07510"],
        ["HR00137", "HR00138"],
        ["HR00143", "HR00144"],
        ["HR00145", "HR00463"],
        ["HR00456", "HR00457"],
        ["HR00459", "HR00460"],
    ]


def test_every_ludb_record_equals_wfdb(shared_data: Path, tmp_path: Path) -> None:
    headers = list(find_headers(shared_data / "ludb"))
    assert len(headers) == 100
    for header in headers:
        _check_equal(header, tmp_path)
        parsed = read_header(header)
        assert 10 < parsed.age < 90
        assert parsed.sex in ("male", "female")
        assert parsed.dx == ()
        assert source_name(header, shared_data / "ludb") == "ludb"
