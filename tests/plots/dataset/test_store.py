"""Plots of records in a store: missing and derived leads, and where originals are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

import ecgstore
from ecgstore.cli import cli
from ecgstore.config import Config
from ecgstore.diagnoses import class_set
from ecgstore.errors import EcgStoreError
from ecgstore.plots import plot_filter, plot_record, plot_worst
from ecgstore.record import LEADS

DATA = Path(__file__).parents[2] / "data"


def texts(figure: Figure) -> list[str]:
    """Return all texts in the Axes of a figure."""
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.fixture
def incomplete(tmp_path: Path, write_record: Callable[..., Path]) -> Path:
    """Return a store of a record that lacks V1 and was recorded without aVR."""
    kept = tuple(lead for lead in LEADS if lead not in ("V1", "aVR"))
    folder = write_record("A1", leads=kept).parent
    out = tmp_path / "out.h5"
    config = Config(allow_missing_leads=True, select="all")
    ecgstore.build_store(folder, out, config, n_workers=1, quiet=True)
    return out


def test_missing_leads_are_said_to_be_missing(incomplete: Path, tmp_path: Path) -> None:
    with ecgstore.open(incomplete) as store:
        figure = plot_record(store, "A1")
        curves = {line.get_gid(): line for line in figure.axes[0].lines}
        drawn = np.asarray(curves["lead-V1"].get_ydata(), float)
        assert np.isnan(drawn).all()
        assert texts(figure).count("not recorded") == 1
        assert texts(figure).count("derived") == 1  # aVR
        sheet = plot_worst(store, 1)
        assert texts(sheet).count("not recorded") == 1
        of_filter = plot_filter(store, "A1", tmp_path / "records")
        assert "V1: not recorded" in texts(of_filter)
        html = store["A1"]._repr_html_()
        assert html.count("not recorded") == 1
        assert "aVR (derived)" in html


def test_the_original_of_a_record_in_a_set_is_found(tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    config = Config(beats="none", select="all")
    ecgstore.build_store(DATA / "code15", out, config, n_workers=1, quiet=True)
    with ecgstore.open(out) as store:
        name = store.records.index[0]
        for folder in (DATA, DATA / "code15"):
            assert plot_filter(store, name, folder).axes
    command = ["plot", str(out), "--filter", name, "--records", str(DATA)]
    done = CliRunner().invoke(cli, [*command, "-o", str(tmp_path / "a.png")])
    assert done.exit_code == 0, done.output


def test_a_given_record_has_no_original(tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    signal = np.random.default_rng(0).normal(size=(12, 5000))
    config = Config(beats="none", select="all")
    ecgstore.build_from([("a", signal, 500)], out, config, n_workers=1, quiet=True)
    with (
        ecgstore.open(out) as store,
        pytest.raises(EcgStoreError, match="was given by a program"),
    ):
        plot_filter(store, "a", tmp_path)


def test_the_worst_of_a_class_of_text_codes(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("record_id,scp_codes\n00841_hr,\"{'ASMI': 100}\"\n02132_hr,NORM\n")
    out = tmp_path / "out.h5"
    config = Config(classes=class_set("ptbxl-super"), select="all")
    ecgstore.build_store(
        DATA / "ptb-xl", out, config, labels=table, n_workers=1, quiet=True
    )
    with ecgstore.open(out) as store:
        of_class = set(store.records.index[store.labels()[:, 1] > 0])
        for diagnosis in ("MI", "mi"):
            figure = plot_worst(store, 9, diagnosis)
            shown = {axes.get_title("left").split(":")[0] for axes in figure.axes}
            assert shown == of_class
        assert "1 record with ASMI" in plot_worst(store, 9, "ASMI").get_suptitle()
