"""Figures are written whole or not at all, and with the same bytes every time."""

import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.plots import class_balance, ecg_paper, save
from ecgstore.plots.ecg.layout import PAGE_WIDTH

FS = 500.0


def small_figure() -> Figure:
    return class_balance(["AF", "MI"], {"ptb": [1, 2]})


def a_print() -> Figure:
    signal = np.random.default_rng(0).normal(0, 0.3, (12, 5000)).cumsum(axis=1) / 9
    return ecg_paper(signal, FS, title="HR00001", r_peaks=np.array([100]))


@pytest.mark.parametrize("name", ["a.png", "a.svg", "A.PNG", "a.b.Svg"])
def test_the_suffix_selects_the_file_format(tmp_path: Path, name: str) -> None:
    save(small_figure(), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    if name.lower().endswith("png"):
        assert content.startswith(b"\x89PNG\r\n")
    else:
        assert content.startswith(b"<?xml")
        assert b"<svg" in content
        assert content.rstrip().endswith(b"</svg>")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    save(small_figure(), str(tmp_path / name))  # over the first, from a str
    assert (tmp_path / name).read_bytes() == content


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_save_is_deterministic(tmp_path: Path, suffix: str) -> None:
    for number in range(2):
        save(a_print(), tmp_path / f"{number}{suffix}")
    first, second = ((tmp_path / f"{n}{suffix}").read_bytes() for n in range(2))
    assert first == second
    for word in (b"date", b"Matplotlib v", b"matplotlib.org"):
        assert word not in first


def test_plots_are_the_same_in_a_new_process_without_pyplot(tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np; from ecgstore.plots import ecg_paper, save;"
        "figure = ecg_paper(np.arange(60_000).reshape(12, 5000) / 5000, 500.0);"
        "[save(figure, path) for path in sys.argv[1:]];"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    there = [tmp_path / "there.png", tmp_path / "there.svg"]
    out = subprocess.run(
        [sys.executable, "-c", program, *map(str, there)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MPLBACKEND": "", "DISPLAY": ""},
    )
    assert out.stdout.strip() == "False"
    figure = ecg_paper(np.arange(60_000).reshape(12, 5000) / 5000, FS)
    for path in there:
        save(figure, tmp_path / f"here{path.suffix}")
        assert path.read_bytes() == (tmp_path / f"here{path.suffix}").read_bytes()


def test_saved_prints_are_true_to_scale(tmp_path: Path) -> None:
    figure = a_print()
    save(figure, tmp_path / "print.png")
    height_mm = figure.get_size_inches()[1] * 25.4
    image = imread(tmp_path / "print.png")
    assert image.shape[:2] == (round(height_mm * 10), round(PAGE_WIDTH * 10))
    save(figure, tmp_path / "print.svg")
    head = (tmp_path / "print.svg").read_text()[:2000]
    width_pt = float(head.split('width="')[1].split("pt")[0])
    assert width_pt / 72 * 25.4 == pytest.approx(PAGE_WIDTH, abs=0.01)


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.png.txt", ".png"])
def test_save_refuses_other_suffixes(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"end the name in \.png or \.svg"):
        save(small_figure(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EcgStoreError, match="plots: no such folder; create it"):
        save(small_figure(), tmp_path / "plots" / "a.png")


def test_save_to_a_folders_name_fails_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(EcgStoreError, match="cannot be written"):
        save(small_figure(), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.svg"
    path.write_text("old")

    def fail(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("ecgstore.system.atomic_files.os.replace", fail)
        with pytest.raises(EcgStoreError, match="No space left on device"):
            save(small_figure(), path)
    broken = small_figure()
    with monkeypatch.context() as patched:
        patched.setattr(broken, "savefig", fail)
        with pytest.raises(EcgStoreError, match="No space left"):
            save(broken, path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.svg"]


def test_the_file_appears_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The final name appears by a rename of a complete file."""
    renamed = []

    def watch(source: Path, target: Path) -> None:
        assert not target.exists()
        assert source.parent == target.parent
        renamed.append(source.read_bytes())
        source.rename(target)

    monkeypatch.setattr("ecgstore.system.atomic_files.os.replace", watch)
    save(small_figure(), tmp_path / "a.png")
    assert renamed == [(tmp_path / "a.png").read_bytes()]


def test_a_users_tight_boxes_do_not_change_the_scale(tmp_path: Path) -> None:
    with mpl.rc_context({"savefig.bbox": "tight", "savefig.dpi": 72.0}):
        save(a_print(), tmp_path / "print.png")
    assert imread(tmp_path / "print.png").shape[1] == 2970
