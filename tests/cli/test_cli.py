"""The command line: every command, what it prints, and how it fails."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args

import click
import pytest

import ecgstore
from ecgstore.cli import cli, main
from ecgstore.cli.tables import estimate_text

WriteRecord = Callable[..., Path]
Run = tuple[int, str, str]


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> Run:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    code = exit_.value.code
    return code if isinstance(code, int) else 0, printed.out, printed.err


def test_build_prints_what_it_did(
    capsys: pytest.CaptureFixture[str], few_records: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.h5"
    code, printed, errors = run(
        capsys, "build", few_records, "-o", out, "--no-beats", "--workers", 1
    )
    assert code == 0
    assert "records by class" in printed
    assert "beats and waves not searched for" in printed
    assert "ptb-xl" in printed
    assert "scan:" in errors
    assert "records/s" in errors
    assert "MB/s" in errors
    assert out.exists()


def test_json_is_json(
    capsys: pytest.CaptureFixture[str], sample_store: Path, few_records: Path
) -> None:
    for arguments in (
        ["build", few_records, "--dry-run", "--workers", 1, "--quiet"],
        ["info", sample_store],
        ["info", sample_store, "--records"],
        ["info", sample_store, "--quarantine"],
        ["info", sample_store, "--options"],
        ["verify", sample_store],
        ["classes"],
        ["classes", few_records],
        ["features"],
    ):
        code, printed, _ = run(capsys, *arguments, "--json")
        assert code == 0
        json.loads(printed)


def test_dry_run_writes_nothing(
    capsys: pytest.CaptureFixture[str], few_records: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    code, printed, _ = run(
        capsys,
        "build",
        few_records,
        "--dry-run",
        "-o",
        tmp_path / "o.h5",
        "--workers",
        1,
    )
    assert code == 0
    assert "records by class" in printed
    assert sorted(tmp_path.rglob("*")) == before


def test_strict_exits_1_after_a_complete_build(
    capsys: pytest.CaptureFixture[str], write_record: WriteRecord, tmp_path: Path
) -> None:
    folder = write_record("A0001").parent
    write_record("A0002").write_text("nonsense")
    out = tmp_path / "out.h5"
    options = ["-o", out, "--no-beats", "--workers", 1, "--quiet"]
    code, printed, errors = run(capsys, "build", folder, *options, "--strict")
    assert code == 1
    assert "unreadable_header" in printed
    assert "quarantine" in errors
    with ecgstore.open(out) as store:
        assert list(store) == ["A0001"]


def test_options_from_flags_file_and_preset(
    capsys: pytest.CaptureFixture[str], few_records: Path, tmp_path: Path
) -> None:
    options = tmp_path / "options.toml"
    options.write_text('fs = 250\nhigh_hz = 30\nexclude_sources = ["ptb"]\n')
    out = tmp_path / "out.h5"
    code, _, errors = run(
        capsys, "build", few_records, "-o", out, "--no-beats", "--workers", 1,
        "--preset", "prototype", "--config", options, "--high-hz", 35,
    )  # fmt: skip
    assert code == 0, errors
    with ecgstore.open(out) as store:
        config = store.config
    assert (config.fs, config.high_hz, config.low_hz) == (250.0, 35.0, 0.5)
    assert config.select == "first"
    assert config.exclude_sources == ("ptb",)
    assert config.classes.name == "hybrid6"
    assert config.beats == "none"


def test_info_shows_everything_counted(
    capsys: pytest.CaptureFixture[str], sample_store: Path
) -> None:
    _, printed, _ = run(capsys, "info", sample_store)
    for text in ("records by source", "by class", "by fold", "fingerprint", "500 Hz"):
        assert text in printed
    for text in ("beats and waves found by the engine ecgstore", "beats by status"):
        assert text in printed
    _, printed, _ = run(capsys, "info", sample_store, "--records")
    assert "HR00001" in printed
    _, printed, _ = run(capsys, "info", sample_store, "--options")
    assert json.loads(printed)["fs"] == 500.0


def test_verify_names_damage(
    capsys: pytest.CaptureFixture[str], sample_store: Path, tmp_path: Path
) -> None:
    code, printed, _ = run(capsys, "verify", sample_store)
    assert (code, printed) == (0, f"{sample_store}: no damage\n")
    content = bytearray(sample_store.read_bytes())
    content[len(content) // 2] ^= 1  # far inside the signals
    copy = tmp_path / "copy.h5"
    copy.write_bytes(content)
    code, printed, errors = run(capsys, "verify", copy)
    assert code == 1
    assert printed.startswith("/signals row ")
    assert "1 damaged" in errors


def test_plots_have_names_of_their_own(
    capsys: pytest.CaptureFixture[str],
    sample_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    run(capsys, "plot", sample_store, "HR00001")
    run(capsys, "plot", sample_store, "--filter", "HR00001")
    run(capsys, "plot", sample_store, "--classes")
    run(capsys, "plot", sample_store, "--worst", "2")
    run(capsys, "plot", sample_store, "--worst", "2", "--dx", "AF")
    run(capsys, "plot", sample_store, "HR00001", "-o", "ecg.svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "HR00001-filter.png",
        "HR00001.png",
        "classes.png",
        "ecg.svg",
        "worst-AF.png",
        "worst.png",
    ]


def test_filter_plot_refuses_another_signal(
    capsys: pytest.CaptureFixture[str], sample_store: Path, write_record: WriteRecord
) -> None:
    folder = write_record("HR00001", folder="training/ptb-xl/g1").parent
    code, _, errors = run(
        capsys, "plot", sample_store, "--filter", "HR00001", "--records", folder
    )
    assert code == 1
    assert "not the signal" in errors
    code, _, errors = run(
        capsys, "plot", sample_store, "--filter", "HR00002", "--records", folder
    )
    assert code == 1


def test_classes_counts_folders_and_tables(
    capsys: pytest.CaptureFixture[str], few_records: Path, tmp_path: Path
) -> None:
    _, printed, _ = run(capsys, "classes")
    assert "hybrid7" in printed
    assert "426783006" in printed
    _, printed, _ = run(capsys, "classes", few_records, "--codes")
    assert "none of them" in printed
    table = tmp_path / "labels.csv"
    table.write_text("record,tranche_name,diagnosis\nA1,CPSC,RBBB;AF\nA2,CPSC,777\n")
    _, printed, _ = run(capsys, "classes", table)
    assert "not among the Challenge's 111" in printed


def test_features_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    _, printed, _ = run(capsys, "features")
    assert "rmssd_ms [ms]" in printed


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["build"], 2, "give one or more SOURCES"),
        (["build", "--sample"], 2, "-o STORE"),
        (["build", "nowhere", "-o", "x.h5"], 1, "no such folder"),
        (["build", "--sample", "-o", "nowhere/x.h5"], 1, "no such folder"),
        (["build", "--sample", "-o", "x.h5", "--fs", "1"], 1, "option fs is 1.0"),
        (["build", "--sample", "-o", "x.h5", "--classes", "hybrid8"], 1, "hybrid7"),
        (["build", "--sample", "-o", "x.h5", "--workers", "0"], 2, "--workers"),
        (["build", "--sample", "-o", "x.h5", "--config", "no.toml"], 1, "no.toml"),
        (["build", "--sample", "-o", "x.h5", "--patients", "no.csv"], 1, "no.csv"),
        (["info", "nowhere.h5"], 1, "no such file"),
        (["verify", "nowhere.h5"], 1, "no such file"),
        (["export", "nowhere.h5", "out"], 1, "no such file"),
        (["plot", "nowhere.h5", "A0001"], 1, "no such file"),
        (["plot", "STORE"], 2, "give one of RECORD"),
        (["plot", "STORE", "HR00001", "--worst", "3"], 2, "give one of RECORD"),
        (["plot", "STORE", "HR00001", "--dx", "AF"], 2, "--dx chooses records for"),
        (["plot", "STORE", "--dx", "AF"], 2, "such as --worst 24 --dx AF"),
        (["plot", "STORE", "--worst", "3", "--dx", "AFX"], 1, "AFX"),
        (["plot", "STORE", "HR99999"], 1, "no record 'HR99999'"),
        (["plot", "STORE", "HR00001", "-o", "x.pdf"], 1, ".png"),
        (["plot", "STORE", "HR00001", "-o", "no/x.png"], 1, "does not exist"),
        (["info", "STORE", "--records", "--options"], 2, "give one of"),
        (["classes", "nowhere"], 1, "nowhere"),
        (["classes", "--classes", "nope"], 1, "nope"),
        (["nonsense"], 2, "No such command"),
        (
            ["build", "--sample", "-o", "x.h5", "--all-records", "--select", "any"],
            2,
            "both",
        ),
        (["features", "--json", "--markdown"], 2, "not both"),
        (["features", "x.h5"], 2, "ecgstore export x.h5 FOLDER writes features.csv"),
        (["classes", "."], 1, "no records"),
        (["info", "."], 2, "directory"),
    ],
)
def test_mistakes_end_in_one_line(
    capsys: pytest.CaptureFixture[str],
    sample_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [str(sample_store) if word == "STORE" else word for word in arguments]
    found, _, errors = run(capsys, *arguments)
    assert found == code
    assert message in errors
    if code == 1:
        assert errors.startswith("ecgstore: ")
        assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_interrupted_command_exits_130(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    sample_store: Path,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ecgstore.storage.summary.summarise", interrupt)
    code, _, errors = run(capsys, "info", sample_store)
    assert code == 130
    assert errors.strip() == "ecgstore: interrupted"


def test_every_command_has_help_and_examples(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, command in cli.commands.items():
        code, printed, _ = run(capsys, name, "--help")
        assert code == 0
        assert "Example" in printed
        assert "-h, --help" in printed
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert getattr(parameter, "help", None), f"{name} {parameter.name}"


def test_help_and_import_stay_light() -> None:
    """Importing the package or asking for help must not load the big libraries."""
    heavy = "{'torch', 'numba', 'neurokit2', 'pandas', 'scipy', 'h5py', 'matplotlib'}"
    for statement in (
        "import ecgstore",
        "from ecgstore.cli import main\ntry: main(['build', '--help'])\n"
        "except SystemExit: pass",
        "from ecgstore.cli import main\ntry: main(['features'])\n"
        "except SystemExit: pass",
    ):
        code = f"import sys\n{statement}\nprint({heavy} & sys.modules.keys())"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == "set()", statement


# Importing the settings takes seconds, so that the help of commands repeats them.

SAID: dict[str, dict[Any, str]] = {
    "fs": {None: "the store's"},
    "leads": {ecgstore.LEADS: "all twelve"},
    "augment": {True: "augment", False: "no-augment"},
    "save_every": {0: "at the end of each epoch"},
    "protocols": {("patients", "sources"): "both"},
}


def settings_and_options(command: str) -> list[tuple[str, Any, click.Option]]:
    """Every setting that is an option of a command: its name and its default."""
    from ecgstore.models.settings import (
        ComparisonSettings,
        ModelSettings,
        TrainingSettings,
    )

    options = {each.name: each for each in cli.commands[command].params}
    told: list[Any] = [ModelSettings(), TrainingSettings()]
    if command == "compare":
        told.append(ComparisonSettings())
    return [
        (each.name, getattr(defaults, each.name), option)
        for defaults in told
        for each in fields(defaults)
        if not is_dataclass(getattr(defaults, each.name))
        and isinstance(option := options.get(each.name), click.Option)
    ]


@pytest.mark.parametrize("command", ["train", "compare"])
def test_help_says_the_defaults_of_the_settings(command: str) -> None:
    found = settings_and_options(command)
    assert len(found) >= 12
    for name, default, option in found:
        if option.is_flag and not option.secondary_opts:
            assert default is False, name
            continue
        said = re.search(r"  \[(.*)\]$", option.help or "")
        assert said is not None, name
        known = SAID.get(name, {}).get(default, default)
        expected = f"{known:g}" if isinstance(known, int | float) else known
        assert said[1].partition(": ")[0] == expected, name


def test_help_says_the_choices_of_the_settings() -> None:
    from ecgstore.models.comparison.protocols import PROTOCOLS
    from ecgstore.models.networks.names import MODELS
    from ecgstore.models.networks.normalise import NormaliseBy
    from ecgstore.models.settings import DeepInputs

    options = {name: each for name, _, each in settings_and_options("compare")}
    *names, last = MODELS
    assert options["model"].help is not None
    assert options["model"].help.startswith(f"{', '.join(names)} or {last}.")
    for name, choices in (
        ("normalise_by", get_args(NormaliseBy)),
        ("deep_inputs", get_args(DeepInputs)),
        ("protocols", PROTOCOLS),
    ):
        kind = options[name].type
        assert isinstance(kind, click.Choice)
        assert tuple(kind.choices) == tuple(choices)


def test_precisions_are_those_of_the_settings() -> None:
    from ecgstore.models.settings import TrainingSettings

    options = {name: each for name, _, each in settings_and_options("train")}
    kind = options["precision"].type
    assert isinstance(kind, click.Choice)
    for precision in kind.choices:
        TrainingSettings(precision=precision)


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        ((0.9123, 0.88, 0.94), "0.912 (0.880 to 0.940)"),
        ((1.0, -0.0, -0.0004), "1.000 (0.000 to 0.000)"),
        ((float("nan"),) * 3, "undefined"),
    ],
)
def test_an_estimate_is_text(estimate: tuple[float, float, float], text: str) -> None:
    assert estimate_text(*estimate) == text


def test_a_difference_has_a_sign() -> None:
    assert estimate_text(0.1, -0.2, 0.3, "+") == "+0.100 (-0.200 to +0.300)"
    assert estimate_text(-1e-5, -1e-5, 0.0, "+") == "+0.000 (+0.000 to +0.000)"
