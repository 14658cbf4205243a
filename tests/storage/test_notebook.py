"""What a notebook shows: one line as text; a picture and a table as HTML."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np

import ecgstore
from ecgstore import pipes
from ecgstore.beats import Beats, BeatStatus
from ecgstore.sample import sample_folder
from ecgstore.sources import read_record
from ecgstore.storage.notebook import counts, picture


def test_texts_are_one_line(store: ecgstore.Store) -> None:
    record = store["HR00001"]
    raw = read_record(sample_folder() / "ptb-xl" / "g1" / "HR00001.hea")
    assert repr(record) == (
        "<ecgstore.StoredRecord HR00001 of ptb-xl: 10 s at 500 Hz, female, 56 years, "
        f"NSR, {len(record.r_peaks)} beats>"
    )
    assert repr(raw).startswith("<ecgstore.Record HR00001: 10 s at 500 Hz, female, 56")
    assert repr(Beats.none(BeatStatus.NO_BEATS)) == (
        "<ecgstore.Beats: 0 beats, 0 marks, status no_beats>"
    )
    assert repr(store) == (
        f"<ecgstore.Store {store.path}: 44 records of 12 leads, 10 s at 500 Hz, "
        "7 classes, 608 features>"
    )
    assert repr(store.select(folds=[])) == (
        f"<ecgstore.Selection: 0 of 44 records of {store.path}>"
    )
    classes = ecgstore.class_set("cinc2020")
    loader = pipes.loader(store, batch_size=8)
    selection = store.select(folds=[1])
    for shown in (record, raw, store, selection, raw.fs, classes, loader):
        assert len(repr(shown)) < 250
        assert "\n" not in repr(shown)


class Texts(HTMLParser):
    """The tags and the texts of a document."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += f"{data}\n"


def test_a_record_is_a_picture_and_a_table(store: ecgstore.Store) -> None:
    shown = Texts(store["HR00001"]._repr_html_())
    assert shown.tags.count("polyline") == 12
    for text in (*ecgstore.LEADS, "HR00001", "ptb-xl", "female, 56 years", "NSR"):
        assert f"{text}\n" in shown.text
    assert "sinus rhythm" in shown.text
    assert len(store["HR00001"]._repr_html_()) < 250_000


def test_names_are_escaped(store: ecgstore.Store) -> None:
    record = replace(store["HR00001"], source="<script>x</script>", record_id="a&<b>")
    shown = Texts(record._repr_html_())
    assert "script" not in shown.tags
    assert "b" in shown.tags  # the title is bold
    assert "<script>x</script>\n" in shown.text
    assert "a&<b>\n" in shown.text


def test_stores_and_selections_are_tables(store: ecgstore.Store) -> None:
    shown = Texts(store._repr_html_())
    assert "44\n" in shown.text
    n_by_source = store.records["source"].value_counts()
    assert f"{n_by_source.index[0]} {n_by_source.iloc[0]}, " in shown.text
    empty = Texts(store.select(rows=[])._repr_html_())
    assert "NSR 0" in empty.text


def test_a_picture_is_svg_with_a_scale_that_fits_all_leads() -> None:
    signal = np.zeros((12, 1000))
    signal[:, 0::2] = np.linspace(0.5, 20, 12)[:, None]
    root = ElementTree.fromstring(picture(signal, 200.0))
    lines = [element for element in root if element.tag.endswith("polyline")]
    assert len(lines) == 12 - 6  # the signal ends after 5 s: two of the four columns
    heights = []
    for line in lines:
        points = line.attrib["points"].split()
        assert len(points) == 500
        y = [float(point.split(",")[1]) for point in points]
        heights.append(max(y) - min(y))
        assert 0 <= min(y) <= max(y) <= 240
    assert max(heights) > 30


def test_a_missing_lead_is_drawn_as_far_as_it_is_known() -> None:
    signal = np.full((12, 1250), np.nan)
    signal[1] = 1.0
    assert "nan" not in picture(signal, 500.0)


def test_counts_are_cut() -> None:
    assert counts(["a", "b"], [1, 1200]) == "b 1,200, a 1"
    assert counts([f"c{k}" for k in range(30)], range(30)).endswith("and 18 more")
