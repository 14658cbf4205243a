"""The label round: decisions about records, as the page sends and shows them."""

from collections.abc import Mapping
from typing import Any, Final

from ecgstore.errors import EcgStoreError, short_repr
from ecgstore.storage import Store
from ecgstore.storage.review_file import Decision

_PARTS: Final = {"decision": str, "comment": str, "labels": Mapping}
"""What a decision of the page has, and the type of each."""


def decision_of(body: object) -> Decision:
    """Return the decision that a page has sent.

    Raises
    ------
    EcgStoreError
        If it is none; whether the store has its classes is checked by saving.
    """
    expected = 'expected {"decision": "accepted", "comment": "", "labels": {}}'
    if not isinstance(body, Mapping):
        raise EcgStoreError(f"a decision is {short_repr(body)}; {expected}")
    for name, value in body.items():
        if name not in _PARTS or not isinstance(value, _PARTS[name]):
            raise EcgStoreError(
                f"a decision has {short_repr(name)}: {short_repr(value)}; {expected}"
            )
    return Decision(
        body.get("decision", ""), body.get("comment", ""), body.get("labels", {})
    )


def shown_decision(decision: Decision) -> dict[str, Any]:
    """Return a decision as the page shows it."""
    return {
        "decision": decision.review,
        "comment": decision.comment,
        "labels": dict(decision.labels),
        "reviewed": decision.reviewed,
    }


def progress(store: Store) -> dict[str, Any]:
    """Return how many records are decided, and in which file."""
    review = store.review
    counts = review.counts()
    return {
        "path": str(review.path),
        "n_total": len(store),
        "n_reviewed": counts.accepted + counts.rejected,
        **{f"n_{name}": number for name, number in counts._asdict().items()},
    }
