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
