"""Training and test records of every protocol: no patient is on both sides."""

import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecgstore import write_subset
from ecgstore.errors import EcgStoreError
from ecgstore.models.comparison.protocols import PROTOCOLS, by_source
from ecgstore.models.hybrid.inner_folds import fold_of_rows, inner_folds
from ecgstore.storage import Store


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_patient_is_in_two_parts(store: Store, protocol: str) -> None:
    patient = store.groups()
    folds = PROTOCOLS[protocol].outer_folds(store, 3)
    tested = np.concatenate([fold.test for fold in folds])
    np.testing.assert_array_equal(np.sort(tested), np.arange(len(store)))
    for fold in folds:
        assert not np.isin(patient[fold.training], patient[fold.test]).any()
        *unseen, whole = inner_folds(store, fold.training, 2)
        assert not len(whole.held_out)
        held_out = np.concatenate([inner.held_out for inner in unseen])
        np.testing.assert_array_equal(np.sort(held_out), fold.training)
        for number, inner in enumerate(unseen):
            of_rows = fold_of_rows(fold.training, unseen)
            assert (of_rows[np.isin(fold.training, inner.held_out)] == number).all()
        for inner in (*unseen, whole):
            parts = [inner.training, inner.validation, inner.held_out]
            np.testing.assert_array_equal(np.sort(np.concatenate(parts)), fold.training)
            owners = [set(patient[part]) for part in parts]
            assert not owners[0] & owners[1]
            assert not owners[0] & owners[2]
            assert not owners[1] & owners[2]


def test_patients_of_the_source_left_out_are_not_trained_on(
    sample_store: Path, tmp_path: Path
) -> None:
    path = tmp_path / "linked.h5"
    shutil.copyfile(sample_store, path)
    with h5py.File(path, "r+") as file:
        source = file["records/source"][:]
        first, second = (
            int(np.flatnonzero(source == name)[0]) for name in (b"georgia", b"ptb-xl")
        )
        file["records/patient_id"][first] = file["records/patient_id"][second]
    with Store(path) as store:
        [fold] = [fold for fold in by_source(store, 0) if fold.name == "georgia"]
    assert first in fold.test
    assert second not in fold.training
    assert second not in fold.test


def test_one_source_cannot_be_left_out(store: Store, tmp_path: Path) -> None:
    write_subset(store.select(sources=["georgia"]), tmp_path / "one.h5")
    with (
        Store(tmp_path / "one.h5") as one,
        pytest.raises(EcgStoreError, match=r"or more.*--protocols patients"),
    ):
        by_source(one, 0)


def test_protocols_are_listed_without_heavy_libraries() -> None:
    code = (
        "import sys; from ecgstore.models.comparison.protocols import PROTOCOLS; "
        "print(*PROTOCOLS, *{'torch', 'pandas', 'scipy', 'sklearn'} & {*sys.modules})"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == [*PROTOCOLS]
