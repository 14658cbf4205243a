"""Classes that no training record has are named before a hybrid is trained."""

from pathlib import Path

import pytest

from ecgstore.errors import EcgStoreError
from ecgstore.models.checkpoint import MODEL_FILE
from ecgstore.models.hybrid import folder
from ecgstore.storage import Selection, Store


def test_warnings_are_about_the_training_records(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / MODEL_FILE).touch()  # so that nothing is trained

    def warnings_of(training: Selection, validation: Selection) -> list[str]:
        return [f"{training.rows.tolist()} {len(validation)}"]

    monkeypatch.setattr(folder, "class_warnings", warnings_of)
    warnings: list[str] = []
    with pytest.raises(EcgStoreError, match="holds a model"):
        folder.train_hybrid_into(
            tmp_path, store, test_folds=[3], on_warning=warnings.append
        )
    rows = store.select(folds=[0, 1, 2, 4, 5, 6, 7, 8, 9]).rows
    assert warnings == [f"{rows.tolist()} 0"]
