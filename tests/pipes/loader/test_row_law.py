"""Row law: everything in an augmented batch belongs to its rows."""

import numpy as np
import torch
from hypothesis import given, settings, strategies as st

from ecgstore import pipes
from ecgstore.pipes import Augment
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.reading.window import marks_in_window, window_begins
from ecgstore.pipes.testing import digest
from ecgstore.record import LEADS
from ecgstore.storage import Store
from tests.pipes.augmentations import AUGMENTATIONS
from tests.pipes.batches import rows_of

COLUMNS = ("age", "sex", "source", "patient_id", "dx", "n_samples_original", "fold")


def one_record(
    store: Store,
    row: int,
    seed: np.uint64,
    window: pipes.RandomCrop,
    leads: tuple[str, ...],
) -> Batch:
    """A record read by the methods of the store, before augmentation."""
    places = [LEADS.index(lead) for lead in leads]
    length = window.n_samples
    n_real = store.n_samples - int(store.quality["pad_length"].iloc[row])
    begins = window_begins(window, np.array([n_real]), np.array([seed]))
    assert begins is not None
    begin = int(begins[0])
    signals = store.signals([row])[:, places, begin : begin + length]
    fiducials = store.fiducials([row])[:, places].astype(np.int16)
    r_peaks = store.r_peaks([row]).astype(np.int16)
    return Batch(
        rows=torch.tensor([row]),
        seeds=np.array([seed]),
        names=np.array([str(store.records.index[row]).encode()]),
        n_real_samples=torch.tensor([min(n_real - begin, length)]),
        signals=torch.from_numpy(np.ascontiguousarray(signals)),
        labels=torch.from_numpy(store.labels(rows=[row], dtype=np.float32)),
        features=torch.from_numpy(store.features([row]).to_numpy()),
        fiducials=torch.from_numpy(marks_in_window(fiducials, begins, length)),
        r_peaks=torch.from_numpy(marks_in_window(r_peaks, begins, length)),
        leads=leads,
    )


@settings(max_examples=12)
@given(
    batch_size=st.integers(1, 12),
    prefetch=st.integers(0, 3),
    seed=st.integers(0, 99),
    n_samples=st.integers(200, 2000),
    leads=st.lists(st.sampled_from(LEADS), min_size=1, max_size=3, unique=True),
    folds=st.sets(st.integers(0, 9), min_size=2, max_size=5),
    is_augmented=st.booleans(),
)
def test_everything_in_a_batch_belongs_to_its_rows(
    store: Store,
    batch_size: int,
    prefetch: int,
    seed: int,
    n_samples: int,
    leads: list[str],
    folds: set[int],
    is_augmented: bool,
) -> None:
    """All batches are kept until the end, so that reused memory would be noticed."""
    some = store.select(folds=folds, query="age > 10")
    window = pipes.RandomCrop(n_samples)
    augment = Augment(*AUGMENTATIONS if is_augmented else ())
    loader = pipes.loader(
        some,
        batch_size,
        shuffle=True,
        seed=seed,
        fields=("signals", "labels", "features", "fiducials", "r_peaks", *COLUMNS),
        leads=leads,
        window=window,
        transform=augment,
        prefetch=prefetch,
    )
    loader.set_epoch(seed % 3)
    batches = list(loader)
    assert sorted(rows_of(batches)) == some.rows.tolist()
    n_augmented = 0
    for batch in batches:
        records = store.records.loc[batch.record_ids]
        assert [store.row(name) for name in batch.record_ids] == batch.rows.tolist()
        for name in COLUMNS:
            values = batch.columns[name]
            column = values.numpy() if isinstance(values, torch.Tensor) else values
            np.testing.assert_array_equal(column, records[name].to_numpy())
        for place, row in enumerate(batch.rows.tolist()):
            plain = one_record(store, row, batch.seeds[place], window, tuple(leads))
            before = digest(plain.signals)
            expected = augment(plain)
            n_augmented += digest(expected.signals) != before
            for field in ("signals", "fiducials", "r_peaks", "labels", "features"):
                read, wanted = getattr(batch, field)[place], getattr(expected, field)[0]
                assert digest(read) == digest(wanted), (field, row)
            assert batch.n_real_samples[place] == expected.n_real_samples[0]
    assert (n_augmented > 0) == is_augmented
