"""``--leads`` from the command line or a TOML file, and what commands say of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("by_file", [False, True])
def test_a_store_of_some_leads(
    run: Run, few_records: Path, tmp_path: Path, by_file: bool
) -> None:
    out, options = tmp_path / "few.h5", tmp_path / "options.toml"
    options.write_text('leads = ["V2", "ii"]')
    chosen = ["--config", options] if by_file else ["--leads", "v2, II"]
    code, _, errors = run(
        "build", few_records, "-o", out, *chosen, "--workers", 1, "--quiet"
    )
    assert code == 0, errors
    _, printed, _ = run("info", out)
    assert "  leads II, V2\n" in printed
    _, printed, _ = run("info", out, "--options")
    assert '"leads": [\n    "II",\n    "V2"\n  ]' in printed
    code, printed, _ = run("verify", out)
    assert code == 0
    code, _, errors = run("beats", out, "--leads", "V1", "--quiet")
    assert code == 1
    assert errors.strip().endswith("expected some of II, V2, each once")


def test_unknown_leads_are_one_line(
    run: Run, few_records: Path, tmp_path: Path
) -> None:
    out = tmp_path / "few.h5"
    code, _, errors = run("build", few_records, "-o", out, "--leads", "V7")
    assert code == 1
    assert errors.startswith("ecgstore: leads are ['V7']; expected some of I")
    assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["training"]


def test_leads_may_be_given_in_several_options_and_as_records_spell_them(
    run: Run, few_records: Path, tmp_path: Path
) -> None:
    chosen = ["--leads", "d1", "--leads", "ECG V2,ii"]
    out = tmp_path / "few.h5"
    code, _, errors = run(
        "build", few_records, "-o", out, *chosen, "--workers", 1, "--quiet"
    )
    assert code == 0, errors
    assert "  leads I, II, V2\n" in run("info", out)[1]
    code, printed, _ = run("beats", out, "--leads", "I", "--leads", "V2", "--quiet")
    assert code == 0
    assert {line.split(",")[5] for line in printed.splitlines()[1:]} == {"I", "V2"}


@pytest.mark.parametrize(
    ("leads", "said"),
    [
        ("2", "leads are ['2']; expected some of I, II"),
        ("all", "leads are ['all']; expected some of I, II"),
        ("V7", "leads are ['V7']; expected some of I, II"),
        ("aVRR", "did you mean aVR? expected"),
        ("V1-V6", "a range is not read; expected some of I, II"),
        ("II,V1,ii", "II is there twice; expected some of I, II"),
    ],
)
def test_leads_that_are_not_understood(
    run: Run, few_records: Path, tmp_path: Path, leads: str, said: str
) -> None:
    out = tmp_path / "few.h5"
    code, _, errors = run("build", few_records, "-o", out, "--leads", leads)
    assert code == 1
    assert said in errors
    header = next(few_records.rglob("*.hea"))
    code, _, errors = run("beats", header, "--leads", leads)
    assert code != 0
    assert ("did you mean" in errors) == (leads == "aVRR")


@pytest.mark.parametrize("command", ["build", "beats"])
@pytest.mark.parametrize("leads", [("I,", "II"), ("I", "II")])
def test_a_lead_in_place_of_a_path_is_named(
    run: Run,
    few_records: Path,
    tmp_path: Path,
    command: str,
    leads: tuple[str, ...],
) -> None:
    out = ["-o", tmp_path / "few.h5"] if command == "build" else []
    code, _, errors = run(command, few_records, *out, "--leads", *leads)
    assert code == 1
    assert "names have commas and no blanks between them, --leads I,II" in errors
