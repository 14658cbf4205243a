"""Plots of stores of fewer leads than twelve."""

from pathlib import Path

import numpy as np
import pytest

import ecgstore
from ecgstore.plots import (
    ecg_paper,
    plot_classes,
    plot_filter,
    plot_record,
    plot_worst,
    save,
)
from ecgstore.plots.ecg.layout import (
    FOOTER,
    HEADER,
    PRINTED_S,
    fit_rows,
    lay_out,
    panels as panels_of,
)
from ecgstore.record import LEADS
from ecgstore.sample import sample_folder

SETS = {
    6: LEADS[:6],
    4: ("I", "II", "III", "V2"),
    3: ("I", "II", "V2"),
    2: ("I", "II"),
    1: ("V5",),
}


@pytest.fixture(scope="module")
def stores(dozen_records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    for number, leads in SETS.items():
        ecgstore.build_store(
            [dozen_records],
            folder / f"{number}.h5",
            ecgstore.Config(leads=leads),
            n_workers=1,
            quiet=True,
        )
    return folder


@pytest.mark.parametrize("number", SETS)
def test_every_plot_shows_the_leads_of_the_store(
    stores: Path, number: int, tmp_path: Path
) -> None:
    with ecgstore.open(stores / f"{number}.h5") as store:
        name = next(iter(store))
        paper = plot_record(store, name)
        worst = plot_worst(store, 4)
        effect = plot_filter(store, name, sample_folder())
        for at, figure in enumerate((paper, worst, effect, plot_classes(store))):
            save(figure, tmp_path / f"{at}.svg")
    drawn = {line.get_gid() for line in paper.axes[0].lines}
    assert {f"lead-{lead}" for lead in SETS[number]} <= drawn
    strips = [gid for gid in drawn if str(gid).startswith("rhythm-")]
    assert strips == (["rhythm-II"] if number > 4 else [])
    assert "r-peaks" in drawn
    shown = {line.get_gid() for axes in worst.axes for line in axes.lines}
    shown_leads = [lead for lead in LEADS if f"lead-{lead}" in shown]
    assert len(shown_leads) == min(2, number)
    assert {*shown_leads} <= {*SETS[number]}
    assert len(effect.axes) == 2 * min(4, number)


@pytest.mark.parametrize("leads", [*SETS.values(), LEADS, LEADS[:8]])
def test_no_two_leads_are_at_one_place(leads: tuple[str, ...]) -> None:
    panels = panels_of(5000, 500.0, leads)
    assert [panel.name for panel in panels if not panel.is_strip] == sorted(
        leads, key=[panel.name for panel in panels].index
    )
    assert {panel.name for panel in panels} == {*leads}
    assert all(leads[panel.lead] == panel.name for panel in panels)
    n_columns = 1 if len(leads) <= 4 else -(-len(leads) // 3)
    for one in panels:
        assert one.width == pytest.approx(
            25 * PRINTED_S / (1 if one.is_strip else n_columns)
        )
    places = {(panel.row, round(panel.left, 6)) for panel in panels}
    assert len(places) == len(panels)
    # The last one is in full length, for the beats.
    assert panels[-1].width == pytest.approx(25 * PRINTED_S)
    assert panels[-1].row == max(panel.row for panel in panels)


def test_a_print_of_one_lead_is_low() -> None:
    signal = np.zeros((1, 5000))
    rows = fit_rows(lay_out(signal, 500.0, 5000, ["V5"]))
    assert len(rows) == 1
    assert rows.page_height == HEADER + 45.0 + FOOTER
    figure = ecg_paper(signal, 500.0, leads=["V5"])
    assert figure.get_figheight() * 25.4 == pytest.approx(rows.page_height)


def test_an_array_needs_a_row_for_each_lead() -> None:
    with pytest.raises(ValueError, match=r"shape \(3, 500\), expected \(2, n_samples"):
        ecg_paper(np.zeros((3, 500)), 500.0, leads=["I", "II"])
