"""The command line: every command, its output and its errors."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest

import ecgstore
from ecgstore.cli import cli, commands

WriteRecord = Callable[..., Path]
Run = Callable[..., tuple[int, str, str]]
REPOSITORY = Path(__file__).resolve().parent.parent.parent


def test_build_prints_what_it_did(run: Run, few_records: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    code, printed, errors = run(
        "build", few_records, "-o", out, "--beats", "none", "--workers", 1
    )
    assert code == 0
    assert "records by class" in printed
    assert "beats and waves not computed" in printed
    assert "ptb-xl" in printed
    assert "scan:" in errors
    assert "records/s" in errors
    assert "MB/s" in errors
    assert out.exists()


def test_json_is_json(run: Run, sample_store: Path, few_records: Path) -> None:
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
        code, printed, _ = run(*arguments, "--json")
        assert code == 0
        json.loads(printed)


def test_dry_run_writes_nothing(run: Run, few_records: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    code, printed, _ = run(
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
    run: Run, write_record: WriteRecord, tmp_path: Path
) -> None:
    folder = write_record("A0001").parent
    write_record("A0002").write_text("nonsense")
    out = tmp_path / "out.h5"
    options = ["-o", out, "--beats", "none", "--workers", 1, "--quiet"]
    code, printed, errors = run("build", folder, *options, "--strict")
    assert code == 1
    assert "unreadable_header" in printed
    assert "quarantine" in errors
    with ecgstore.open(out) as store:
        assert list(store) == ["A0001"]


def test_flags_override_the_file_and_the_file_the_preset(
    run: Run, few_records: Path, tmp_path: Path
) -> None:
    options = tmp_path / "options.toml"
    options.write_text('fs = 250\nhigh_hz = 30\nexclude_sources = ["ptb"]\n')
    out = tmp_path / "out.h5"
    code, _, errors = run(
        "build", few_records, "-o", out, "--beats", "none", "--workers", 1,
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


def test_info_shows_everything_counted(run: Run, sample_store: Path) -> None:
    _, printed, _ = run("info", sample_store)
    for text in ("records by source", "by class", "by fold", "fingerprint", "500 Hz"):
        assert text in printed
    for text in ("beats and waves by the engine ecgstore", "beats by status"):
        assert text in printed
    _, printed, _ = run("info", sample_store, "--records")
    assert "HR00001" in printed
    _, printed, _ = run("info", sample_store, "--options")
    assert json.loads(printed)["fs"] == 500.0


def test_verify_names_damage(run: Run, sample_store: Path, tmp_path: Path) -> None:
    code, printed, _ = run("verify", sample_store)
    assert (code, printed) == (0, f"{sample_store}: no damage\n")
    content = bytearray(sample_store.read_bytes())
    content[len(content) // 2] ^= 1  # far inside the signals
    copy = tmp_path / "copy.h5"
    copy.write_bytes(content)
    code, printed, errors = run("verify", copy)
    assert code == 1
    assert printed.startswith("/signals row ")
    assert "1 damaged" in errors


def test_plots_have_names_of_their_own(
    run: Run,
    sample_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    run("plot", sample_store, "HR00001")
    run("plot", sample_store, "--filter", "HR00001")
    run("plot", sample_store, "--classes")
    run("plot", sample_store, "--worst", "2")
    run("plot", sample_store, "--worst", "2", "--dx", "AF")
    run("plot", sample_store, "HR00001", "-o", "ecg.svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "HR00001-filter.png",
        "HR00001.png",
        "classes.png",
        "ecg.svg",
        "worst-AF.png",
        "worst.png",
    ]


def test_filter_plot_refuses_another_signal(
    run: Run, sample_store: Path, write_record: WriteRecord
) -> None:
    folder = write_record("HR00001", folder="training/ptb-xl/g1").parent
    code, _, errors = run(
        "plot", sample_store, "--filter", "HR00001", "--records", folder
    )
    assert code == 1
    assert "not the signal" in errors
    code, _, errors = run(
        "plot", sample_store, "--filter", "HR00002", "--records", folder
    )
    assert code == 1


def test_classes_counts_folders_and_tables(
    run: Run, few_records: Path, tmp_path: Path
) -> None:
    _, printed, _ = run("classes")
    assert "hybrid7" in printed
    assert "426783006" in printed
    _, printed, _ = run("classes", few_records, "--codes")
    assert "none of them" in printed
    table = tmp_path / "labels.csv"
    table.write_text("record,tranche_name,diagnosis\nA1,CPSC,RBBB;foo\nA2,CPSC,777\n")
    _, printed, _ = run("classes", table)
    assert "code in no table of diagnoses" in printed
    assert "words in Dx that are no diagnosis" in printed
    assert f"[texts in {table}]" in printed
    assert "foo" not in printed
    _, printed, _ = run("classes", table, "--json")
    [unknown] = json.loads(printed)["unknown_words"]
    assert unknown["key"] == f"[texts in {table}]"


def test_features_are_explained(run: Run) -> None:
    _, printed, _ = run("features")
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
        (["plot", "STORE", "HR00001", "--dx", "AF"], 2, "--dx needs --worst N"),
        (["plot", "STORE", "--dx", "AF"], 2, "such as --worst 24 --dx AF"),
        (["plot", "STORE", "--worst", "3", "--dx", "AFX"], 1, "AFX"),
        (["plot", "STORE", "HR99999"], 1, "no record 'HR99999'"),
        (["plot", "STORE", "HR00001", "-o", "x.pdf"], 1, ".png"),
        (["plot", "STORE", "HR00001", "-o", "no/x.png"], 1, "no such folder"),
        (["info", "STORE", "--records", "--options"], 2, "give one of"),
        (["classes", "nowhere"], 1, "nowhere"),
        (["classes", "--classes", "nope"], 1, "nope"),
        (["nonsense"], 2, "No such command"),
        (["build", "--sample", "-o", "x.h5", "--select", "last"], 2, "'any', 'first'"),
        (["build", "--sample", "-o", "x.h5", "--fs", "fast"], 2, "--fs"),
        (["train", "STORE", "-o", "run", "--model", "resnet"], 1, "resnet18"),
        (["train", "STORE", "-o", "run", "--epochs", "0"], 1, "option epochs is 0"),
        (["train", "STORE", "-o", "run", "--test-folds", "8"], 1, "share a fold"),
        (["features", "--json", "--markdown"], 2, "not both"),
        (["features", "x.h5"], 2, "ecgstore export x.h5 FOLDER writes features.csv"),
        (["classes", "."], 1, "no records"),
        (["info", "."], 1, "a folder"),
    ],
)
def test_mistakes_end_in_one_line(
    run: Run,
    sample_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [str(sample_store) if word == "STORE" else word for word in arguments]
    exit_code, _, errors = run(*arguments)
    assert exit_code == code
    assert message in errors
    if code == 1:
        assert errors.startswith("ecgstore: ")
        assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_interrupted_command_exits_130(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    sample_store: Path,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ecgstore.storage.summary.summarise", interrupt)
    code, _, errors = run("info", sample_store)
    assert code == 130
    assert errors.strip() == "ecgstore: interrupted"


def test_an_end_of_file_is_no_interruption(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    sample_store: Path,
) -> None:
    def end(*_: object) -> None:
        raise EOFError("marshal data too short")  # such as of a damaged module

    monkeypatch.setattr("ecgstore.storage.summary.summarise", end)
    code, _, errors = run("info", sample_store)
    assert code == 1
    assert "ends too early" in errors


COMMANDS = cli.list_commands(click.Context(cli))


def test_every_file_is_a_command() -> None:
    folder = REPOSITORY / "ecgstore" / "cli" / "commands"
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert set(COMMANDS) == names


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_examples(name: str, run: Run) -> None:
    code, printed, _ = run(name, "--help")
    assert code == 0
    examples = printed.partition("Examples:\n")[2]
    assert examples.count(f"ecgstore {name}") >= 2
    assert "-h, --help" in printed
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            text = (parameter.help or "").partition("  [")[0]
            assert text.endswith("."), parameter.name
            assert text[0].isupper(), parameter.name


def test_a_new_file_is_a_new_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    from ecgstore.cli import commands

    (tmp_path / "greet.py").write_text(
        "import click\n\n@click.command()\ndef greet():\n    click.echo('hello')\n"
    )
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    assert "greet" in run("--help")[1]
    assert run("greet") == (0, "hello\n", "")


def test_a_file_that_cannot_be_imported_disturbs_no_other_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_this_name\n")
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    code, printed, _ = run("--help")
    assert code == 0
    assert "verify" in printed
    assert "cannot be loaded (ModuleNotFoundError" in printed
    assert run("features")[0] == 0
    code, _, errors = run("broken", "a", "--option")
    assert code == 1
    assert errors.startswith("ecgstore: the command broken cannot be loaded (Module")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_an_argument_with_a_nul_character_is_an_error(run: Run, command: str) -> None:
    code, _, errors = run(command, "a\0b", "-o", "c")
    assert code == 1
    assert errors == "ecgstore: an argument has a NUL character; give it without\n"


def test_names_that_are_no_text_are_printed(
    run: Run, tmp_path: Path, sample_checkpoint: Path
) -> None:
    name = os.fsdecode(b"\xff")
    code, printed, errors = run("classes", name)
    assert (code, printed) == (1, "")
    assert errors.count("\n") == 1
    (tmp_path / f"{name}.hea").write_text("")
    code, printed, errors = run("predict", sample_checkpoint, tmp_path, "--quiet")
    assert code == 0
    assert "\\udcff.hea" in printed


def test_help_and_import_stay_light() -> None:
    """Importing the package or asking for help must not load the big libraries."""
    heavy = "{'torch', 'numba', 'neurokit2', 'pandas', 'scipy', 'h5py', 'matplotlib'}"
    for statement in (
        "import ecgstore",
        "from ecgstore.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from ecgstore.cli import main\ntry: main(['build', '--help'])\n"
        "except SystemExit: pass",
        "from ecgstore.cli import main\ntry: main(['compare', '--help'])\n"
        "except SystemExit: pass",
        "import ecgstore.models.settings, ecgstore.models.comparison.settings",
        "from ecgstore.cli import main\ntry: main(['features'])\n"
        "except SystemExit: pass",
    ):
        code = f"import sys\n{statement}\nprint({heavy} & sys.modules.keys())"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == "set()", statement


def test_files_that_are_no_commands_are_left_out(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a copy.py").write_text("raise RuntimeError")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "__init__.py").touch()
    (tmp_path / "no_command.py").touch()
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    code, out, _ = run("--help")
    assert code == 0
    assert "verify" in out
    assert "folder" not in out
    assert "no_command" not in out


def test_builds_say_what_is_copied_or_cannot_be_read(
    run: Run, write_record: WriteRecord, tmp_path: Path
) -> None:
    for name, fs in (("00841_hr", 500), ("00841_lr", 100)):
        folder = write_record(name, fs=fs).parent
    (folder / "loop").symlink_to("loop")
    options = ["-o", tmp_path / "o.h5", "--beats", "none", "--workers", 1, "--quiet"]
    code, printed, errors = run("build", folder, *options, "--strict")
    assert code == 1
    assert "found 2 records: 1 selected" in printed
    assert "Challenge's form: 1 record\n" in printed
    assert "left out (1): 'records/loop' (" in errors
    assert "not readable: 1 folder" in errors
    (folder / "loop").unlink()
    assert run("build", folder, *options, "--strict", "--overwrite")[0] == 0
    code, printed, _ = run("classes", folder, "--json")
    assert json.loads(printed)["unreadable_headers"] == 0


def test_builds_name_some_ecgs_in_several_records(
    run: Run, write_record: WriteRecord, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(-900, 900, (4, 12, 5000))
    for number in range(9):
        folder = write_record(f"A{number}", noise[number % 4]).parent
    options = ["--beats", "none", "--workers", 1, "--quiet"]
    _, printed, _ = run("build", folder, "-o", tmp_path / "nine.h5", *options)
    [line] = [line for line in printed.splitlines() if "ECG" in line]
    assert line == (
        "4 ECGs are stored, whole or in part, in several records, which share a fold "
        "(A0 and A4 and A8, A1 and A5, A2 and A6, ...)"
    )
    for number in (1, 2, 3, 5, 6, 7):
        (folder / f"A{number}.hea").unlink()
    _, printed, _ = run("build", folder, "-o", tmp_path / "three.h5", *options)
    assert "1 ECG is stored, whole or in part, in several records, which" in printed
    for record_id in ("B1", "B2", "B3"):
        write_record(record_id, noise[0])
    _, printed, _ = run("build", folder, "-o", tmp_path / "six.h5", *options)
    assert "(A0 and A4 and A8 and 3 more)" in printed


def test_a_few_records_of_the_sample_raise_no_warning(run: Run) -> None:
    options = ["--sample", "--limit", 3, "--dry-run", "--workers", 1, "--quiet"]
    assert run("build", *options)[2] == ""
