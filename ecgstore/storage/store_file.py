"""An open store file: its attributes, tables, signals and attached deep features."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import Float32Array, IntArray, UInt8Array
from ecgstore.chosen_leads import lead_names
from ecgstore.errors import ConfigError, SchemaError, StoreClosedError
from ecgstore.storage.collection.mapped_parts import MappedParts
from ecgstore.storage.deep_features.attached import AttachedFeatures, Origin
from ecgstore.storage.deep_features.sidecar import open_sidecar
from ecgstore.storage.format import schema
from ecgstore.storage.opening import open_file
from ecgstore.storage.remote.cache import DEFAULT_CACHE, chosen_cache
from ecgstore.storage.remote.mirror import Mirror
from ecgstore.storage.remote.object_reader import Transfers
from ecgstore.storage.remote.opening import open_mirror
from ecgstore.storage.review_file import review_file_path
from ecgstore.storage.rows import SignalRows
from ecgstore.storage.tables import Tables
from ecgstore.system.urls import divided, shown, url_of


class StoreFile:
    """The open file of a finished store, or of a collection of stores.

    A file can be used from several threads and after `fork`. It is pickled as its path,
    its fingerprint and the paths of its attached deep features.

    Parameters
    ----------
    path : str or Path
        The HDF5 file made by a build, or its URL.
    verify : {"off", "first-touch"}
        Whether to check every row of the signals the first time that it is read.
    labels : {"beside", "built"}
        Whether labels in a file beside the store (``ecgstore label``) replace those
        that it was built with.
    cache : str or Path, optional
        Folder in which is kept what is fetched from URLs; None keeps nothing.
    review : str or Path, optional
        File of the decisions of a label round, in place of the one beside the store.

    Raises
    ------
    EcgStoreError
        If there is no such file.
    SchemaError
        If the file is not a finished ecgstore file of a known version.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        verify: Literal["off", "first-touch"] = "off",
        labels: Literal["beside", "built"] = "beside",
        cache: str | Path | None = DEFAULT_CACHE,
        review: str | Path | None = None,
    ) -> None:
        if verify not in ("off", "first-touch"):
            raise ValueError(f"verify is {verify!r}; expected 'off' or 'first-touch'")
        if labels not in ("beside", "built"):
            raise ValueError(f"labels is {labels!r}; expected 'beside' or 'built'")
        self.url = url_of(path)
        folder = chosen_cache(cache)
        mirror = None if self.url is None else open_mirror(self.url, folder)
        self.path = Path(path) if mirror is None else mirror.path
        self.verify = verify
        self._labels_of = labels
        self._cache = cache
        self._review_file = None if review is None else Path(review)
        try:
            opened = open_file(
                self.path,
                first_touch=verify == "first-touch",
                with_labels=labels == "beside" and mirror is None,
                mirror=mirror,
                cache=folder,
            )
        except BaseException:
            if mirror is not None:
                mirror.close()
            raise
        self.config = opened.config
        self.software = opened.software
        self.fingerprint = opened.fingerprint
        self.built_fingerprint = opened.built_fingerprint
        self.parts = opened.parts
        self.beats_statuses = opened.beats_statuses
        self.label_names = opened.label_names
        self.feature_names = opened.feature_names
        self.feature_units = opened.feature_units
        self.scale_factor = opened.signals.scale
        self.n_leads = opened.signals.n_leads
        self.n_samples = opened.signals.n_samples
        self._n_rows = len(opened.signals.offsets)
        self._dtype = opened.signals.dtype
        self._signals: SignalRows | None = opened.signals
        self._tables: Tables | None = opened.tables
        self._label_file = opened.label_file
        self._attached = AttachedFeatures(self.path)

    @property
    def place(self) -> str:
        """Path or URL, for messages."""
        return str(self.path) if self.url is None else shown(self.url)

    @property
    def address(self) -> Path | str:
        """Absolute path, or URL, with which another process opens it.

        A URL may hold a signature or a password: it is not for messages and files.
        """
        return self.path.absolute() if self.url is None else self.url

    @property
    def file_name(self) -> str:
        """Name of the file, or of the object at the URL; no folder."""
        return self.path.name if self.url is None else divided(self.url)[1]

    @property
    def dtype(self) -> str:
        """Type of the stored signals: ``"int16"`` or ``"float32"``."""
        return str(self._dtype)

    @property
    def fs(self) -> float:
        """Sampling rate of the stored signals in Hz."""
        return self.config.fs

    @property
    def has_labels_beside(self) -> bool:
        """Whether labels in a file beside the store replace those of its build."""
        return self._label_file is not None

    @property
    def target_names(self) -> tuple[str, ...]:
        """Names of the columns of the targets; empty if the store has none."""
        return self.config.targets

    @property
    def leads(self) -> tuple[str, ...]:
        """Names of the leads, in the order of every array."""
        return self.config.leads

    def lead_numbers(self, leads: str | Iterable[str]) -> IntArray:
        """Return the positions of some leads in every array.

        Parameters
        ----------
        leads : str or iterable of str
            Names, each once, in any order.

        Returns
        -------
        ndarray of shape (n_leads,)
            Positions in `leads` of the store, in the order of the names.

        Raises
        ------
        ConfigError
            If the store has no such lead, one is named twice, or there is no name.
        """
        try:
            names = lead_names(leads, self.leads)
        except ConfigError as error:
            raise ConfigError(f"{self.place}: {error}") from error
        return np.array([self.leads.index(name) for name in names])

    def __len__(self) -> int:
        return self._n_rows

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        origins = self._attached.origins
        return _reopened, (
            type(self),
            self.url or self.path,
            self.fingerprint,
            self.verify,
            self._labels_of,
            self._cache,
            self._review_file,
            origins,
        )

    def close(self) -> None:
        """Close the memory map; reading from the store afterwards is an error.

        Attached deep features are closed too. Data frames that were made before, and
        arrays returned by `table` or `attached`, can still be used.
        """
        if self._signals is not None:
            self._signals.file.close()
        if self._label_file is not None:
            self._label_file.close()
        self._signals = self._tables = None
        self._attached = AttachedFeatures(self.path)

    @property
    def signal_rows(self) -> SignalRows:
        """The rows of the signals in the mapped file, for loaders.

        Raises
        ------
        StoreClosedError
            If the store was closed.
        """
        if self._signals is None:
            raise self._closed()
        return self._signals

    @property
    def tables(self) -> Tables:
        """The tables in the mapped file, for loaders, which call `check_unchanged`.

        Raises
        ------
        StoreClosedError
            If the store was closed.
        """
        if self._tables is None:
            raise self._closed()
        return self._tables

    def fetch(self) -> None:
        """Fetch all of a store at a URL, so that reading waits for nothing any more.

        Nothing happens if the store is a file.

        Raises
        ------
        EcgStoreError
            If it cannot be fetched.
        """
        for mirror in self.mirrors:
            for _ in mirror.pieces():
                pass

    @property
    def files(self) -> tuple[Path, ...]:
        """The file that is read, and those of the parts that are no URLs."""
        return (self.path, *(part for part in self.parts if isinstance(part, Path)))

    @property
    def review_files(self) -> tuple[Path, ...]:
        """The file of the decisions of a label round, and those beside the parts.

        Of a store at a URL, it is in the current folder. None of them need exist.
        """
        own = self._review_file
        if own is None:
            own = review_file_path(
                self.path if self.url is None else Path(Path(self.file_name).name)
            )
        parts = (part for part in self.parts if isinstance(part, Path))
        return (own, *map(review_file_path, parts))

    @property
    def is_remote(self) -> bool:
        """Whether rows come from a URL."""
        return bool(self.mirrors)

    @property
    def keeps_nothing(self) -> bool:
        """Whether what is fetched from URLs is not kept on a disk."""
        return chosen_cache(self._cache) is None

    @property
    def transfers(self) -> Transfers:
        """What this process has transferred for a store at a URL since it was opened.

        All numbers are 0 for a file.
        """
        return sum((one.reader.transfers for one in self.mirrors), Transfers())

    @property
    def mirrors(self) -> tuple[Mirror, ...]:
        """What is at URLs: the store, or a collection and then its parts."""
        file = self.signal_rows.file
        if isinstance(file, Mirror):
            return (file,)
        return file.mirrors if isinstance(file, MappedParts) else ()

    def check_unchanged(self) -> None:
        """Refuse to read a file that was changed in place since it was opened.

        All methods of a store, loaders and datasets call this before they read. See
        `MemoryMap` for what can be noticed.

        Raises
        ------
        EcgStoreError
            If the file was changed.
        StoreClosedError
            If the store was closed.
        """
        self.signal_rows.file.check_unchanged()
        if self._label_file is not None:
            self._label_file.check_unchanged()

    def _checked_tables(self) -> Tables:
        """Return the tables, if the file was not changed."""
        self.check_unchanged()
        return self.tables

    def _closed(self) -> StoreClosedError:
        """Return the error for reading from a closed store."""
        return StoreClosedError(
            f"{self.place}: the store is closed; open it again to read from it"
        )

    def table(self, name: str) -> NDArray[Any]:
        """Return a dataset other than the signals as it is stored, without reading it.

        Parameters
        ----------
        name : str
            Path in the file, such as ``"quality/ksqi"`` or ``"records/age"``;
            docs/format.md lists all of them.

        Returns
        -------
        ndarray of shape (n_records, ...)
            A view of the mapped file, not writeable; texts are UTF-8 bytes. The file
            stays open as long as the view exists. In a collection, features, marks,
            quality of leads, block checksums and signatures are no arrays, but take
            indices and NumPy functions as arrays do: ``table[:]`` reads all of it.

        Raises
        ------
        ValueError
            If there is no such table.
        StoreClosedError
            If the store was closed.
        """
        return self._checked_tables()[name]

    def attach(
        self,
        path: str | Path,
        name: str | None = None,
        *,
        weights_sha256: str | None = None,
    ) -> str:
        """Attach a file of deep features of the records, as columns of this store.

        They are then in `attached`, in ``features(attached=True)`` and in queries of
        `select`, and they are a field of loaders and datasets.

        Deep features are optimistic for records on which the model was trained or by
        which its epoch was chosen: do not evaluate anything that uses them on those
        records. `attached_seen` returns which they are; docs/models.md shows how to
        compare without this leak.

        Parameters
        ----------
        path : str or Path
            A file written by `ecgstore.models.extract` or ``ecgstore extract``.
        name : str, optional
            Name of the features; by default the name of the model, such as
            ``resnet18``.
        weights_sha256 : str, optional
            SHA-256 of the model's weights, as `ecgstore.models.Checkpoint` returns it:
            features of other weights are refused. Not compared if left out.

        Returns
        -------
        str
            The name of the features.

        Raises
        ------
        EcgStoreError
            If there is no such file, or features of this name are attached already.
        SchemaError
            If the features are damaged, or of another store or other weights.
        ValueError
            If the name is that of another field of the store.
        """
        sidecar = open_sidecar(
            Path(path),
            self.path,
            store_fingerprint=self.built_fingerprint,
            record_ids=self.table(f"{schema.RECORDS}/record_id"),
            weights_sha256=weights_sha256,
        )
        return self._attached.add(sidecar, name)

    @property
    def attached(self) -> Mapping[str, Float32Array]:
        """Attached deep features of shape (n_records, n_features), by name.

        They are views of mapped files, not writeable. See `attach`.
        """
        self.signal_rows  # noqa: B018  # raises if the store was closed
        return self._attached.features

    @property
    def attached_seen(self) -> Mapping[str, UInt8Array]:
        """Use of each record's patient in the training of the models of `attached`.

        By name, uint8 of shape (n_records,): 0 if no record of the patient was used, 1
        if the epoch was chosen by one, 2 if the model was trained on one, 3 if the
        checkpoint does not say. In another store than that of the training, patients
        are recognised only by records with the same signal.

        Views of mapped files, not writeable. Rows to evaluate on:
        ``np.flatnonzero(store.attached_seen["resnet18"] == 0)``.
        """
        self.signal_rows  # noqa: B018  # raises if the store was closed
        return self._attached.seen


def _reopened(
    store_class: type[StoreFile],
    path: str | Path,
    fingerprint: str,
    verify: Literal["off", "first-touch"],
    labels: Literal["beside", "built"],
    cache: str | Path | None,
    review: Path | None,
    attached: Mapping[str, Origin],
) -> StoreFile:
    """Open a pickled store again, if it is the same, and attach its deep features."""
    store = store_class(path, verify=verify, labels=labels, cache=cache, review=review)
    if store.fingerprint != fingerprint:
        store.close()
        raise SchemaError(
            f"{path} was replaced by another store since it was pickled: its "
            f"fingerprint is {store.fingerprint[:12]}... instead of "
            f"{fingerprint[:12]}...; open the store and select from it again"
        )
    for name, origin in attached.items():
        store.attach(origin.path, name)
        store._attached.check_origin(name, origin)
    return store
