"""The Croissant description is valid, offline, and says what the store says."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import h5py
import pytest

from ecgstore.reports import page
from ecgstore.reports.data_set import DataSetCard, data_set_card
from ecgstore.reports.published import Publication
from ecgstore.storage import Store
from tests.reports.conftest import HOSTILE, made_card
from tests.reports.pages import read

mlcroissant = pytest.importorskip("mlcroissant")

# mlcroissant reads JSON-LD by rdflib, which still uses a class that it deprecates.
pytestmark = pytest.mark.filterwarnings(
    "ignore:ConjunctiveGraph is deprecated:DeprecationWarning"
)


def validated(metadata: Any, tmp_path: Path) -> Any:
    """Return the data set as mlcroissant reads it, without an error."""
    file = tmp_path / "croissant.json"
    file.write_text(json.dumps(metadata))
    found = mlcroissant.Dataset(jsonld=str(file))
    assert not found.metadata.ctx.issues.errors
    return found


def test_it_is_valid_and_its_warnings_are_what_nobody_said(
    sample_card: DataSetCard, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = validated(sample_card.metadata, tmp_path)
    warnings = found.metadata.ctx.issues.warnings
    assert len(warnings) == 3
    assert all("is recommended, but does not exist" in one for one in warnings)
    assert "not standard" not in caplog.text  # the context


def test_it_has_no_warning_if_the_publisher_says_all(
    store: Store, tmp_path: Path
) -> None:
    said = Publication("n", "d", "CC-BY-4.0", "https://a.de", "cite", "2026-01-31")
    found = validated(made_card(store, said).metadata, tmp_path)
    assert not found.metadata.ctx.issues.warnings


def test_classes_sources_and_folds_can_be_read(
    store: Store, sample_card: DataSetCard, tmp_path: Path
) -> None:
    found = validated(sample_card.metadata, tmp_path)
    counts = {
        row["classes/name"]: row["classes/n_records"]
        for row in found.records("classes")
    }
    assert [counts[name] for name in store.label_names] == store.labels().sum(
        axis=0
    ).tolist()
    folds = [row["folds/n_records"] for row in found.records("folds")]
    assert folds == store.records["fold"].value_counts().sort_index().tolist()


def test_the_file_is_described_with_size_and_checksum(
    sample_store: Path, sample_card: DataSetCard
) -> None:
    [file] = sample_card.metadata["distribution"]
    content = sample_store.read_bytes()
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert file["contentSize"] == f"{len(content)} B"
    assert file["name"] == file["contentUrl"] == "sample.h5"


def test_fields_are_datasets_of_the_file(
    sample_store: Path, sample_card: DataSetCard
) -> None:
    records = next(
        one for one in sample_card.metadata["recordSet"] if one["@id"] == "records"
    )
    paths = [field["source"]["extract"]["column"] for field in records["field"]]
    with h5py.File(sample_store) as file:
        n = len(file["signals"])
        for path in paths:
            assert len(file[path]) == n, path
        assert set(paths) >= {f"records/{name}" for name in file["records"]}
        assert set(paths) >= {f"quality/{name}" for name in file["quality"]}
    assert {"signals", "labels", "features", "folds", "fiducials"} <= set(paths)
    assert all(
        "column of a table" not in one["description"] for one in records["field"]
    )


def test_the_page_holds_the_same_description(sample_card: DataSetCard) -> None:
    shown = read(page.html(sample_card.report))
    assert json.loads("".join(shown.scripts)) == sample_card.metadata


def test_hostile_names_are_valid_and_end_no_script(
    hostile_store: Path, tmp_path: Path
) -> None:
    with Store(hostile_store) as store:
        made = made_card(store)
    html = page.html(made.report)
    assert html.count("<script") == html.count("</script") == 1
    assert json.loads("".join(read(html).scripts)) == made.metadata
    found = validated(made.metadata, tmp_path)
    assert HOSTILE in json.dumps(made.metadata)
    assert len(list(found.records("classes"))) == 2


def test_without_a_checksum_no_file_is_described(store: Store, tmp_path: Path) -> None:
    made = data_set_card(store, Publication(), command="x", checksum=False, quiet=True)
    found = validated(made.metadata, tmp_path)
    assert len(list(found.records("classes"))) == len(store.label_names)
    assert not [one for one in made.metadata["recordSet"] if one["@id"] == "records"]
