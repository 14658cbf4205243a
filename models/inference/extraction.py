"""Write the deep features of every record of a store to a file beside it."""

from contextlib import closing
from pathlib import Path
from typing import Final

import h5py
import numpy as np
import torch

from ecgstore import __version__, pipes
from ecgstore.errors import EcgStoreError
from ecgstore.models.inference.model import Model
from ecgstore.models.reproducible import reproducible
from ecgstore.models.running import require_finite_outputs, run_batches
from ecgstore.models.seen_records import training_roles
from ecgstore.pipes.devices import available_device
from ecgstore.storage import Store
from ecgstore.storage.deep_features import sidecar
from ecgstore.storage.format import schema
from ecgstore.storage.format.layout import create_file
from ecgstore.system.atomic_files import replace_file

_BATCH: Final = 64
"""Records that are read at a time."""


def extract(
    store: Store,
    model: Model,
    out: str | Path | None = None,
    *,
    device: torch.device | str = "cpu",
    overwrite: bool = False,
    quiet: bool = True,
) -> Path:
    """Write deep features and logits of every record to a file for `Store.attach`.

    The features of a hybrid are those of its extractor, or of its small networks if it
    has none; its logits are those of the sum. Predicted targets are written, too, if
    the model predicts some. The file appears whole or not at all, and the same
    arguments on the same machine give the same bytes. Memory does not grow with the
    number of records.

    Do not evaluate anything on features of records that the extractor was trained on:
    `Store.attached_seen` lists these records.

    Parameters
    ----------
    store : Store
        The store.
    model : Checkpoint or Hybrid
        The trained model.
    out : str or Path, optional
        The file to write; beside the store if left out, such as
        ``challenge.resnet18.features.h5``, or in the current folder if the store is at
        a URL.
    device : torch.device or str
        Device to compute on.
    overwrite : bool
        Replace an existing file.
    quiet : bool
        Show no progress.

    Returns
    -------
    Path
        The written file.

    Raises
    ------
    EcgStoreError
        If the store was built with other preprocessing options or classes than the
        store of the training, the file exists already or cannot be written, or a
        feature is not finite.
    """
    model.check(store)
    # The file of a store at a URL is in the cache, from which it may be removed.
    beside = store.path if store.url is None else Path(store.file_name)
    out = sidecar.sidecar_path(beside, model.name) if out is None else Path(out)
    _check_out(out, store, overwrite)
    device = available_device(device)
    runner = model.runner(store.feature_names, device)
    loader = pipes.loader(
        store,
        _BATCH,
        fields=[name for name in runner.fields if name != "labels"],
        leads=runner.leads,
        device=device,
        rank=0,  # all records, in the order of their rows, also under torchrun
        world_size=1,
    )
    record_ids = store.table(f"{schema.RECORDS}/record_id")
    with replace_file(out, "wb") as unfinished:
        create_file(
            Path(unfinished.name),
            sidecar.sidecar_specs(
                len(store),
                runner.n_features,
                model.label_names,
                record_ids.dtype.itemsize,
                model.target_names,
            ),
            sidecar.sidecar_attributes(
                model.settings_dict(),
                model.weights_sha256(),
                store.built_fingerprint,
                f"ecgstore {__version__}, torch {torch.__version__}",
            ),
        )
        with (
            h5py.File(unfinished, "r+", locking=False) as file,
            reproducible(0, device),
            closing(run_batches(runner, loader, quiet=quiet)) as batches,
        ):
            names = file[sidecar.RECORD_ID]
            names[...] = record_ids.astype(names.dtype)  # the same bytes, as UTF-8
            file[sidecar.ROW][...] = np.arange(len(store))
            file[sidecar.SEEN][...] = training_roles(model, store)
            for outputs in batches:
                require_finite_outputs(outputs, store)
                rows = slice(outputs.rows[0], outputs.rows[-1] + 1)
                file[sidecar.FEATURES][rows] = outputs.features
                file[sidecar.LOGITS][rows] = outputs.logits
                if outputs.targets is not None:
                    file[sidecar.TARGETS][rows] = outputs.targets
            sidecar.write_sidecar_digests(file)
        _check_out(out, store, overwrite)  # another process may have written it
    return out


def _check_out(out: Path, store: Store, overwrite: bool) -> None:
    """Raise an error if the output path must not be written to."""
    if not out.exists():
        return
    if out.is_dir() or out.samefile(store.path):
        target = "a folder" if out.is_dir() else "the store itself"
        raise EcgStoreError(f"{out}: is {target}; choose another output")
    if not overwrite:
        raise EcgStoreError(
            f"{out}: exists already; choose another output, or replace it with "
            "--overwrite"
        )
