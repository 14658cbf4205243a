"""What a viewer shows: the store, and what was given with it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

from ecgstore.record import MARKS
from ecgstore.storage import Store
from ecgstore.view.browse.browsing import Browsing
from ecgstore.view.browse.columns import Column, Further
from ecgstore.view.browse.worst import severities
from ecgstore.view.record.source_signal import SourceSignals

if TYPE_CHECKING:
    from ecgstore.view.model.predictions import Predictions


class Shown:
    """What the routes share; used from several threads.

    Parameters
    ----------
    store : Store
        The store, open.
    folders : sequence of Path
        Folders of the source records, for raw signals.
    model : Predictions, optional
        The model whose predictions are shown.
    """

    def __init__(
        self,
        store: Store,
        *,
        folders: Sequence[Path] = (),
        model: "Predictions | None" = None,
    ) -> None:
        self.store = store
        self.sources = SourceSignals(store, folders) if folders else None
        self.model = model
        self.lock = RLock()
        store.review.begin()
        self.browsing = Browsing(store)
        self.browsing.severities["worst"] = partial(severities, store)
        if model is not None:
            self.browsing.severities["disagreement"] = model.disagreement

    def description(self) -> dict[str, Any]:
        """Return what the page shows of the store as a whole."""
        store, config = self.store, self.store.config
        return {
            "name": store.file_name,
            "place": store.place,
            "n_records": len(store),
            "leads": list(store.leads),
            "fs": store.fs,
            "n_samples": store.n_samples,
            "duration_s": config.duration_s,
            "band": [config.low_hz, config.high_hz],
            "classes": [
                {"name": one.name, "description": one.description}
                for one in config.classes.classes
            ],
            "marks": [*MARKS],
            "columns": [one._asdict() for one in self.browsing.columns().values()],
            "review": str(store.review.path),
            "model": None if self.model is None else self.model.description(),
        }
