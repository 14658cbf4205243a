"""What a viewer shows: the store, and what was given with it."""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ecgstore.arrays import IntArray
from ecgstore.record import MARKS
from ecgstore.storage import Store
from ecgstore.storage.review_file import COLUMNS as OF_REVIEW, Decision
from ecgstore.view.browse.browsing import Browsing
from ecgstore.view.browse.filters import Filter
from ecgstore.view.browse.worst import severities
from ecgstore.view.record.source_signal import SourceSignals

if TYPE_CHECKING:
    from ecgstore.view.model.predictions import Predictions

_DISAGREEMENT: Final = "disagreement"


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
        store.review.begin()
        self.browsing = Browsing(store)
        self.browsing.severities["worst"] = partial(severities, store)
        if model is not None:
            self.browsing.severities[_DISAGREEMENT] = model.disagreement

    def decide(self, row: int, decision: Decision) -> Decision:
        """Save what is decided about a record."""
        try:
            return self.store.review.save(row, decision)
        finally:
            self.browsing.forget(OF_REVIEW)

    def see_decisions(self) -> None:
        """Forget what was computed of decisions that another process has changed."""
        if self.store.review.refresh():
            self.browsing.forget(OF_REVIEW)

    def ordered(
        self, filter_: Filter, sort: str, descending: bool, shown: Iterable[str] = ()
    ) -> tuple[int, IntArray | range]:
        """Return the number of an order, and the rows of a filter in it.

        The number is another one when rows, or values that are shown, may have changed
        since: by decisions, also of another process, or by predictions.
        """
        names = {sort, *shown, *self.browsing.columns_in(filter_)}
        self.see(names)
        while True:
            number = self.browsing.generation(names)
            rows = self.browsing.selected(filter_, sort, descending)
            if number == self.browsing.generation(names):
                return number, rows

    def see(self, columns: Iterable[str]) -> None:
        """Forget what was computed of columns if it is old."""
        names = {*columns}
        if not names.isdisjoint(OF_REVIEW):
            self.see_decisions()
        if _DISAGREEMENT in names:
            self.see_predictions()

    def see_predictions(self) -> None:
        """Forget what was computed of predictions when there were fewer."""
        if self.model is not None and self.model.has_news():
            self.browsing.forget([_DISAGREEMENT])

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
