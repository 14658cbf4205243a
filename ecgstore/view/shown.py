"""What a viewer shows: the store, and what was given with it."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any

from ecgstore.record import MARKS
from ecgstore.storage import Store
from ecgstore.view.browse.browsing import Browsing
from ecgstore.view.browse.worst import severities


class Shown:
    """What the routes share; used from several threads.

    Parameters
    ----------
    store : Store
        The store, open.
    folders : sequence of Path
        Folders of the source records, for raw signals.
    review, model : Path, optional
        File of the label round; model whose predictions are shown.
    """

    def __init__(
        self,
        store: Store,
        *,
        folders: Sequence[Path] = (),
        review: Path | None = None,
        model: Path | None = None,
    ) -> None:
        self.store = store
        self.folders = tuple(folders)
        self.review = review
        self.model = model
        self.lock = RLock()
        self.browsing = Browsing(store)
        self.browsing.severities["worst"] = partial(severities, store)

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
            "has_raw": bool(self.folders),
            "review": None if self.review is None else str(self.review),
            "model": None,
        }
