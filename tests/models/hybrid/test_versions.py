"""A hybrid is used on the features that it was trained on, or refused."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgstore.errors import EcgStoreError
from ecgstore.models import evaluate, extract, predict
from ecgstore.models.hybrid import model as hybrid_model
from ecgstore.models.hybrid.file import save_hybrid
from ecgstore.models.hybrid.model import VERSIONS, Hybrid, versions_of
from ecgstore.models.inference.prediction import Prediction, predict_signal
from ecgstore.models.inference.prediction_table import write_predictions
from ecgstore.models.loading import load
from ecgstore.storage import Store

Use = Callable[[Hybrid, Store, Path], object]
USES: dict[str, Use] = {
    "evaluate": lambda model, store, _: evaluate(model, store),
    "extract": lambda model, store, folder: extract(
        model=model, store=store, out=folder / "f.h5"
    ),
}


@pytest.fixture(params=sorted(VERSIONS))
def older(request: pytest.FixtureRequest, small_hybrid: Hybrid) -> Hybrid:
    """Return a hybrid of another version of beats or of features."""
    name: str = request.param
    versions = {**small_hybrid.versions, name: VERSIONS[name] - 1}
    return replace(small_hybrid, versions=versions)


@pytest.mark.parametrize("use", USES)
def test_a_store_of_other_versions_is_refused(
    older: Hybrid, store: Store, tmp_path: Path, use: str
) -> None:
    with pytest.raises(EcgStoreError, match="of version") as caught:
        USES[use](older, store, tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{store.path}: ")
    assert "build the store again and train on it" in message
    assert not [*tmp_path.iterdir()]


def test_an_ecgstore_of_other_versions_is_refused(older: Hybrid, records: Path) -> None:
    for call in (
        lambda: predict(older, records),
        lambda: predict_signal(older, np.zeros((3, 5000)), 500.0),
    ):
        with pytest.raises(EcgStoreError, match="this ecgstore: ") as caught:
            call()
        assert "use the release of ecgstore that trained it" in str(caught.value)


def test_versions_are_in_the_file(
    small_hybrid: Hybrid, records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later ecgstore refuses a file of this one."""
    save_hybrid(small_hybrid, tmp_path / "model.safetensors")
    for name in VERSIONS:
        later = {**VERSIONS, name: VERSIONS[name] + 1}
        monkeypatch.setattr(hybrid_model, "VERSIONS", later)
        with pytest.raises(EcgStoreError, match=f"this ecgstore: {name} of version"):
            predict(load(tmp_path), records)


def test_the_versions_of_a_store_are_those_of_its_software(store: Store) -> None:
    assert versions_of(store.software) == VERSIONS
    assert versions_of("") == {}
    assert versions_of("beats x, features, features 3 4, numpy 2") == {}


@pytest.mark.parametrize("use", USES)
def test_a_store_that_lacks_features_is_refused(
    small_hybrid: Hybrid,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    use: str,
) -> None:
    names = store.feature_names
    monkeypatch.setattr(store, "feature_names", names[:50])
    with pytest.raises(EcgStoreError, match=f"has no feature {names[50]}") as caught:
        USES[use](small_hybrid, store, tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{store.path}: ")
    assert f"({len(names) - 50} of {len(small_hybrid.columns)} are missing)" in message
    assert "same --duration, --fs and --leads" in message


@pytest.mark.parametrize("use", USES)
def test_a_store_of_other_leads_is_refused(
    small_hybrid: Hybrid, store: Store, tmp_path: Path, use: str
) -> None:
    leads = small_hybrid.config.leads
    for other in ((*leads, "V6"), leads[:2]):  # the store has too few, or too many
        config = replace(small_hybrid.config, leads=other)
        with pytest.raises(EcgStoreError, match="build the store with these --leads"):
            USES[use](replace(small_hybrid, config=config), store, tmp_path)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    "options",
    [{"duration_s": 20.0}, {"beats": "neurokit"}, {"rr_convention": "mietus"}],
)
def test_a_store_of_features_by_other_options_is_refused(
    small_hybrid: Hybrid,
    store: Store,
    tmp_path: Path,
    use: str,
    options: dict[str, Any],
) -> None:
    (name,) = options
    other = replace(small_hybrid, config=replace(small_hybrid.config, **options))
    with pytest.raises(EcgStoreError, match=f"its {name} is .* trained on {name}"):
        USES[use](other, store, tmp_path)


# -- predicted classes in the table -----------------------------------------


def predictions() -> Iterator[Prediction]:
    for name, decided in (("A", [1, 1]), ("B", [0, 1]), ("C", [0, 0])):
        yield Prediction(
            name, f"{name}.hea", "ok", "", np.array([0.5, 0.25]), np.array(decided) > 0
        )
    yield Prediction("D", "D.hea", "flat_leads", "lead V2 is flat", None)


def test_the_table_names_the_predicted_classes() -> None:
    file = io.StringIO()
    counts = write_predictions(file, ["NSR", "AF"], predictions(), decisions=True)
    assert counts == (4, 1)
    assert file.getvalue().splitlines() == [
        "record_id,path,status,detail,NSR,AF,predicted",
        "A,A.hea,ok,,0.500000,0.250000,NSR;AF",
        "B,B.hea,ok,,0.500000,0.250000,AF",
        "C,C.hea,ok,,0.500000,0.250000,",
        "D,D.hea,flat_leads,lead V2 is flat,,,",
    ]


def test_without_decisions_there_is_no_such_column() -> None:
    file = io.StringIO()
    write_predictions(file, ["NSR", "AF"], predictions())
    assert file.getvalue().splitlines()[1] == "A,A.hea,ok,,0.500000,0.250000"
