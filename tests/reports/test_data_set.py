"""The data set card of a store: its numbers are those of the store."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore.config import Config
from ecgstore.reasons import Reason
from ecgstore.reports import data_set, facts, page
from ecgstore.reports.data_set import DataSetCard, data_set_card
from ecgstore.reports.examples import ChosenRecords, chosen_records, pictures
from ecgstore.reports.facts import facts_of
from ecgstore.reports.page import (
    Cell,
    Gallery,
    Paragraph,
    Report,
    Section,
    Table,
    cell_text,
)
from ecgstore.reports.published import DATABASES, Publication, licence_of
from ecgstore.reports.sections import overview, people
from ecgstore.reports.sections.overview import origin
from ecgstore.sample import sample_folder
from ecgstore.sources.origin import KNOWN_SOURCES
from ecgstore.storage import Store
from ecgstore.storage.flags import FLAT, quality_flags
from ecgstore.system.visible import visible
from tests.reports.conftest import HOSTILE, NAMES, made_card
from tests.reports.pages import read


def section(report: Report, title: str) -> Section:
    return next(one for one in report.sections if one.title == title)


def table(report: Report, title: str, caption: str) -> Table:
    return next(
        one
        for one in section(report, title).blocks
        if isinstance(one, Table) and one.caption.startswith(caption)
    )


def total(cells: Iterable[Cell]) -> int:
    """Return the sum of whole numbers."""
    numbers = [*cells]
    assert all(isinstance(number, int) for number in numbers)
    return sum(number for number in numbers if isinstance(number, int))


def words(report: Report, title: str) -> str:
    blocks = section(report, title).blocks
    return " ".join(one.text for one in blocks if isinstance(one, Paragraph))


def test_a_licence_is_claimed_only_where_it_was_found_stated() -> None:
    assert set(DATABASES) == KNOWN_SOURCES
    for source, known in DATABASES.items():
        claims = {bool(known.licence), bool(known.licence_url), bool(known.stated_at)}
        assert len(claims) == 1, source
    assert licence_of("sami-trop") == "unknown"


def test_a_known_database_without_a_known_licence_says_so(store: Store) -> None:
    found = facts_of(store)
    renamed = replace(found, sources=[replace(found.sources[0], name="sami-trop")])
    licences = next(
        one
        for one in origin(renamed, Publication()).blocks
        if isinstance(one, Table) and one.caption.startswith("Licences")
    )
    assert licences.rows[0][1:3] == ["SaMi-Trop", "unknown"]


def test_numbers_are_those_of_the_store(store: Store, sample_card: DataSetCard) -> None:
    report = sample_card.report
    records = store.records
    labels = store.labels()
    sources = table(report, "Where it is from", "Records by source").rows
    n_of_sources = records["source"].value_counts().to_dict()
    assert {row[0]: row[1] for row in sources} == n_of_sources
    assert total(row[3] for row in sources) == (~records["patient_known"]).sum()
    classes = table(report, "Classes", "Records by class and source").rows
    assert [row[2] for row in classes] == labels.sum(axis=0).tolist()
    assert [total(row[4:]) for row in classes] == labels.sum(axis=0).tolist()
    together = table(report, "Classes", "Records in both").rows
    assert [list(row[1:]) for row in together] == (labels.T @ labels).tolist()
    ages = table(report, "Ages and sexes", "Records by age and sex").rows
    assert total(row[-1] for row in ages) == len(store)
    assert ages[-1][-1] == records["age"].isna().sum()
    in_sixties = records["age"].between(60, 69.99).sum()
    assert next(row[-1] for row in ages if row[0] == "60-69 years") == in_sixties
    folds = table(report, "Folds", "Records, patients").rows
    n_of_folds = records["fold"].value_counts().sort_index().tolist()
    assert [row[1] for row in folds] == n_of_folds
    known = records[records["patient_known"]]
    patients = known.groupby("fold")["patient_id"].nunique()
    assert [row[2] for row in folds if row[2]] == patients.tolist()
    assert "Checked: none of the" in words(report, "Folds")


def test_lengths_are_those_of_the_files(store: Store, sample_card: DataSetCard) -> None:
    rows = table(
        sample_card.report, "Rates and lengths of the recordings", "Files"
    ).rows
    records = store.records
    for source, of_source in records.groupby("source"):
        seconds = of_source["n_samples_original"] / of_source["fs_original"]
        row = next(row for row in rows if row[0] == source)
        assert row[2:5] == pytest.approx(
            [seconds.min(), seconds.median(), seconds.max()]
        )
        assert row[5] == (seconds > 10).sum()


def test_a_divided_group_is_a_warning(sample_store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.h5"
    copy.write_bytes(sample_store.read_bytes())
    with Store(copy) as store:
        groups = store.groups()
        assert facts_of(store).n_divided_groups == 0
        shared = np.flatnonzero(np.bincount(groups) > 1)[0]
        row = int(np.flatnonzero(groups == shared)[0])
    with h5py.File(copy, "r+") as file:
        file["folds"][row] = (file["folds"][row] + 1) % 10
    with Store(copy) as store:
        assert facts_of(store).n_divided_groups == 1
        assert "Warning: 1 of " in words(made_card(store).report, "Folds")


def test_examples_are_drawn_from_their_class_without_bias(store: Store) -> None:
    labels, groups = store.labels(), store.groups()
    for number, one in enumerate(chosen_records(store, 4)):
        assert labels[one.rows, number].all()
        assert len(set(one.rows.tolist())) == len(one.rows) <= 4
        n_groups = len(set(groups[labels[:, number] == 1]))
        assert len(set(groups[one.rows])) == min(len(one.rows), n_groups)
        assert one.n_groups == len(set(groups[one.rows]))
    again = chosen_records(store, 4)
    assert [one.rows.tolist() for one in again] == [
        one.rows.tolist() for one in chosen_records(store, 4)
    ]
    first = chosen_records(store, 1)
    assert any(one.rows[0] != labels[:, n].argmax() for n, one in enumerate(first))


def test_pictures_are_small_and_described(sample_card: DataSetCard) -> None:
    html = page.html(sample_card.report)
    pictures = re.findall(r'<figure class="ecg">.*?</figure>', html, re.DOTALL)
    galleries = [
        block
        for part in section(sample_card.report, "Example records").sections
        for block in part.blocks
        if isinstance(block, Gallery)
    ]
    assert len(pictures) == sum(len(gallery.pictures) for gallery in galleries) > 30
    assert max(map(len, pictures)) < 15_000
    assert all("<title>" in one and "<desc>ECG of record" in one for one in pictures)
    assert len(html) < 5_000_000


def test_people_are_described_as_everywhere_else(
    sample_store: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.h5"
    copy.write_bytes(sample_store.read_bytes())
    with h5py.File(copy, "r+") as file:
        sex = file["records/sex"]
        said, given = np.full(len(sex), b"unknown"), dict(sex.attrs)
        del file["records/sex"]
        file.create_dataset("records/sex", data=said).attrs.update(given)
        file["records/age"][:] = 56
        file["records/age"][0] = np.nan
    with Store(copy) as store:
        chosen = [ChosenRecords("all", np.arange(2), 2, 2)]
        [drawn] = pictures(store, chosen)
        source, fold = store.column("source"), store.column("fold")
        for row, known in enumerate(("", "56 years, ")):
            expected = f"{source[row]}, {known}fold {fold[row]}, "
            assert drawn[row].lines[0].startswith(expected)


def test_flags_of_leads_are_those_of_the_records(
    sample_store: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.h5"
    copy.write_bytes(sample_store.read_bytes())
    with h5py.File(copy, "r+") as file:
        file["quality/flat_fraction"][:] = 0
        file["quality/flat_fraction"][:3, 2] = 1.0
        file["quality/flat_fraction"][5, :] = FLAT  # not above it
    with Store(copy) as store:
        assert facts_of(store).flags_of_leads["flat_fraction"][2] == 3
        assert sum(facts_of(store).flags_of_leads["flat_fraction"]) == 3
        assert quality_flags(store)["a lead is flat"].nonzero()[0].tolist() == [0, 1, 2]


def test_with_very_many_classes_fewer_examples_are_shown(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_set, "_MOST_PICTURES", 2 * len(store.label_names))
    report = made_card(store).report
    for part in section(report, "Example records").sections:
        assert len(part.blocks[1].pictures) <= 2  # type: ignore[union-attr]


def test_the_page_holds_together(sample_card: DataSetCard) -> None:
    shown = read(page.html(sample_card.report))
    assert "nan" not in shown.text.split()
    assert "None" not in shown.text
    for title in ("What it is", "Where it is from", "Quality", "How it was made"):
        assert title in shown.text
    assert "atrial fibrillation" in shown.text
    assert "CC BY 4.0" in shown.text


def test_the_same_store_gives_the_same_bytes(
    store: Store, sample_card: DataSetCard
) -> None:
    again = made_card(store)
    assert page.html(again.report) == page.html(sample_card.report)
    assert again.markdown == sample_card.markdown


def test_what_the_publisher_says_is_there(store: Store) -> None:
    said = Publication(
        "My ECGs",
        "All of them.",
        "CC-BY-4.0",
        "https://a.de/x",
        "Me 2026",
        "2026-01-31",
    )
    shown = read(page.html(made_card(store, said).report))
    for text in ("My ECGs", "All of them.", "CC-BY-4.0", "Me 2026", "2026-01-31"):
        assert text in shown.text
    assert "https://a.de/x" in shown.links
    assert "as a whole is not stated" not in shown.text


def test_without_a_word_of_the_publisher_no_licence_is_claimed(
    sample_card: DataSetCard,
) -> None:
    shown = read(page.html(sample_card.report))
    assert "licence of the data setnot stated" in re.sub(r"\n", "", shown.text)
    assert "as a whole is not stated" in shown.text


def test_names_from_outside_are_only_texts(hostile_store: Path) -> None:
    with Store(hostile_store) as store:
        html = page.html(made_card(store).report)
    shown = read(html)
    assert shown.tags.count("script") == 1
    assert shown.tags.count("u") == 0
    for name in (HOSTILE, *NAMES):
        assert visible(name) in shown.text.replace("\u200b", "")
    assert "{{ 7 * 7 }}" in shown.text
    assert not [link for link in shown.links if "b.de" in link or "i.de" in link]


def test_a_store_without_beats_ages_and_sources_that_are_known(
    hostile_store: Path,
) -> None:
    with Store(hostile_store) as store:
        report = made_card(store).report
    assert "Beats and waves were not computed." in words(report, "Quality")
    licences = table(report, "Where it is from", "Licences").rows
    assert licences == [["<u>source *x* [y]", "unknown", "unknown", None, None]]
    assert "given by a program" in str(
        table(report, "Where it is from", "Records").rows
    )
    assert not [
        one for one in section(report, "Ages and sexes").blocks if one.kind == "figure"
    ]


def test_quarantine_is_counted_in_words(tmp_path: Path) -> None:
    bad = [
        ("flat", np.zeros((12, 100)), 500.0),
        ("nan", np.full((12, 5000), np.nan), 500.0),
    ]
    good = [("good", np.random.default_rng(0).normal(size=(12, 5000)), 500.0)]
    out = tmp_path / "a.h5"
    ecgstore.build_from(
        bad + good, out, Config(select="all", beats="none"), n_workers=1, quiet=True
    )
    with Store(out) as store:
        rows = table(made_card(store).report, "Records left out", "Quarantine").rows
        counts = store.quarantine["reason"].value_counts().to_dict()
    assert {row[0]: row[3] for row in rows} == counts
    assert len(rows) == 2
    descriptions = {str(reason): reason.description for reason in Reason}
    assert all(row[1] == descriptions[str(row[0])] for row in rows)


def test_fewer_leads_float32_and_windows(tmp_path: Path) -> None:
    out = tmp_path / "few.h5"
    config = Config(
        leads=("I", "II"), dtype="float32", windows="every=5s", duration_s=5.0,
        beats="none", select="all", targets=("age",),
    )  # fmt: skip
    ecgstore.build_store([sample_folder()], out, config, n_workers=1, quiet=True)
    with Store(out) as store:
        report = made_card(store).report
    shown = read(page.html(report))
    assert "divided into windows" in shown.text
    assert "Targets" in shown.text
    galleries = section(report, "Example records").sections[0].blocks[1]
    names = {name for _, _, name in galleries.pictures[0].names}  # type: ignore[union-attr]
    assert names == {"I", "II"}


def test_missing_leads_are_counted_and_not_drawn(tmp_path: Path) -> None:
    signal = np.random.default_rng(0).normal(size=(11, 5000))
    leads = ecgstore.LEADS[:11]
    out = tmp_path / "a.h5"
    config = Config(select="all", beats="none", allow_missing_leads=True)
    records = [("a", signal, 500.0, leads, {"codes": "426783006"})]
    ecgstore.build_from(records, out, config, n_workers=1, quiet=True)
    with Store(out) as store:
        report = made_card(store).report
    rows = table(report, "Quality", "Records with a problem, by lead").rows
    assert rows == [["lead missing, stored as zeros", *[0] * 11, 1]]
    parts = section(report, "Example records").sections
    picture = parts[0].blocks[1].pictures[0]  # type: ignore[union-attr]
    assert picture.trace.count("M") == 12
    assert "without V6" in picture.description


def test_a_collection_names_its_parts_without_folders(
    sample_store: Path, tmp_path: Path
) -> None:
    part = tmp_path / "private" / "part.h5"
    part.parent.mkdir()
    with Store(sample_store) as whole:
        ecgstore.write_subset(whole.select(folds=[0, 1, 2]), part)
    ecgstore.collect([part], tmp_path / "all.h5")
    with Store(tmp_path / "all.h5") as store, Store(part) as alone:
        made = made_card(store)
        assert len(store) == len(alone)
    rows = table(made.report, "How it was made", "Parts of the collection").rows
    assert rows == [[1, "part.h5"]]
    assert "private" not in page.html(made.report)
    files = [one["@id"] for one in made.metadata["distribution"]]
    assert files == ["all.h5", "part.h5"]


def test_of_many_records_some_are_summarised(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "MOST_ROWS", 10)
    some = facts_of(store)
    assert some.n_summarised == 10
    assert len(some.indices[0].values) == 10 * 12
    caption = table(made_card(store).report, "Quality", "Quantiles").caption
    assert (
        caption
        == f"Quantiles of the indices, of 10 of {len(store)} records, evenly spread"
    )


def test_reviews_are_counted(
    sample_store: Path, sample_card: DataSetCard, tmp_path: Path
) -> None:
    copy = tmp_path / "a.h5"
    copy.write_bytes(sample_store.read_bytes())
    with Store(copy) as store:
        names = [*store][:4]
        lines = [f"{name},accepted" for name in names[:3]] + [f"{names[3]},rejected"]
        n = len(store)
    (tmp_path / "a.review.csv").write_text("\n".join(["record_id,review", *lines]))
    with Store(copy) as store:
        report = made_card(store).report
    rows = table(report, "Review of the labels", "Records by decision").rows
    assert [row[:2] for row in rows] == [
        ["accepted", 3], ["rejected", 1], ["not reviewed", n - 4],
    ]  # fmt: skip
    assert cell_text(rows[0][2]) == f"{3 / n:.1%}"
    titles = [part.title for part in sample_card.report.sections]
    assert "Review of the labels" not in titles


def test_checksums_are_left_out_when_asked(store: Store) -> None:
    made = data_set_card(store, Publication(), command="x", checksum=False, quiet=True)
    assert "distribution" not in made.metadata


def test_of_very_many_sources_and_rates_the_most_frequent_are_shown(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = facts_of(store)
    largest = max(found.sources, key=lambda one: one.n_records)
    rates = {f"{rate}": rate for rate in range(1, 31)}
    many = replace(found, sources=[replace(one, rates=rates) for one in found.sources])
    monkeypatch.setattr(overview, "MOST_ROWS", 1)
    [table, licences] = [
        one
        for one in overview.origin(many, Publication()).blocks[:2]
        if isinstance(one, Table)
    ]
    assert table.rows[0][0] == licences.rows[0][0] == largest.name
    [files, _] = people.recordings(store, many).blocks
    assert isinstance(files, Table)
    assert files.rows[0][0] == largest.name
    assert str(files.rows[0][1]).startswith("30 Hz (30), 29 Hz (29), ")
    assert str(files.rows[0][1]).endswith("11 Hz (11) and 10 others")
