"""Options of a build: kept, checked, read from files and flags, and used on data."""

import json
import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal

import ecgstore
from ecgstore.cli import main
from ecgstore.config import Config, make_config
from ecgstore.diagnoses import ClassSet, DiagnosisClass, class_set
from ecgstore.errors import ConfigError
from ecgstore.lead_names import LeadNames
from ecgstore.reasons import Reason

WriteRecord = Callable[..., Path]

NAMES_FILE = Path(__file__).parent / "data" / "leads" / "lead-names.toml"

OTHER: dict[str, Any] = {
    "classes": class_set("cinc2020"),
    "select": "first",
    "label_key": ("Befund",),
    "label_column": "befund",
    "min_likelihood": 50.0,
    "folds_from": "strat_fold",
    "columns": ("site", "device"),
    "targets": ("age", "ejection fraction"),
    "exclude_sources": ("ptb", "st_petersburg_incart"),
    "limit": 7,
    "leads": ("I", "II", "V2"),
    "lead_names": LeadNames.read(NAMES_FILE),
    "allow_missing_leads": True,
    "fs": 250.0,
    "duration_s": 8.0,
    "windows": "every=10s",
    "low_hz": 0.25,
    "high_hz": 30.0,
    "filter_order": 2,
    "margin_s": 1.5,
    "dtype": "float32",
    "min_duration_s": 1.0,
    "max_gap_s": 0.25,
    "max_record_mb": 2.5,
    "reject_flat_leads": True,
    "max_clipped_fraction": 0.75,
    "beats": "none",
    "rr_convention": "mietus",
}
"""A value of every option that is not the default."""

RANGES: dict[str, tuple[float, float, dict[str, Any]]] = {
    "fs": (50, 20_000, {"high_hz": 20.0}),
    "duration_s": (1, 3600, {"min_duration_s": 1.0}),
    "filter_order": (1, 8, {}),
    "margin_s": (0, 60, {}),
    "min_duration_s": (0, 12, {"duration_s": 12.0}),
    "max_gap_s": (0, 10, {}),
    "min_likelihood": (0, 100, {}),
    "max_record_mb": (1, 100_000, {}),
    "max_clipped_fraction": (0, 1, {}),
}
"""First and last value allowed, and other options that they need."""


def build(folder: Path, out: Path, config: Config, **options: Any) -> Path:
    options = {"n_workers": 1, "quiet": True, "overwrite": True, **options}
    ecgstore.build_store([folder], out, config, **options)
    return out


# -- text -------------------------------------------------------------------


def test_every_option_is_in_these_tests() -> None:
    assert OTHER.keys() == {member.name for member in fields(Config)}
    default = Config()
    for name, value in OTHER.items():
        assert value != getattr(default, name)


@pytest.mark.parametrize("name", OTHER)
def test_every_option_survives_json(name: str) -> None:
    config = Config(**{name: OTHER[name]})
    text = config.to_json()
    assert Config.from_json(text) == config
    assert text != Config().to_json()
    stored, default = json.loads(text), json.loads(Config().to_json())
    assert {key for key in stored if stored[key] != default.get(key)} == {name}
    expected = OTHER[name]
    if name == "classes":
        assert [label["name"] for label in stored[name]["classes"]] == [*expected.names]
    elif name == "lead_names":
        assert stored[name] == expected.to_json()
    else:
        assert stored[name] == (
            list(expected) if isinstance(expected, tuple) else expected
        )


def test_all_options_together_survive_json() -> None:
    own = ClassSet("Klaßen", (DiagnosisClass("Ä", "ö", ("426783006", "1")),))
    config = Config(**{**OTHER, "classes": own})
    again = Config.from_json(config.to_json())
    assert again == config
    assert again.to_json() == config.to_json()
    assert again.classes.columns == own.columns


# -- ranges -----------------------------------------------------------------


@pytest.mark.parametrize("name", RANGES)
def test_every_number_is_limited_to_its_range(name: str) -> None:
    first, last, others = RANGES[name]
    is_whole = isinstance(getattr(Config(), name), int)
    for inside in (first, last):
        assert getattr(Config(**{**others, name: inside}), name) == inside
    outside = (
        [first - 1, last + 1]
        if is_whole
        else [math.nextafter(first, -math.inf), math.nextafter(last, math.inf)]
    )
    for value in (*outside, math.nan, math.inf, -math.inf):
        with pytest.raises(ConfigError, match=f"option {name} is "):
            Config(**{**others, name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("low_hz", 0.0),
        ("low_hz", -0.5),
        ("low_hz", 40.0),
        ("low_hz", math.nan),
        ("high_hz", 0.0),
        ("high_hz", 250.0),
        ("high_hz", math.nan),
        ("high_hz", math.inf),
        ("limit", 0),
        ("limit", -1),
        ("limit", math.nan),
        ("select", "last"),
        ("dtype", "int8"),
        ("rr_convention", "Mietus"),
    ],
)
def test_value_outside_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"option {name} is "):
        Config(**{name: value})


def test_edges_of_the_band_are_outside_it() -> None:
    assert Config(low_hz=math.nextafter(40.0, 0)).low_hz < 40
    assert Config(high_hz=math.nextafter(250.0, 0)).high_hz < 250
    assert Config(limit=1).limit == 1
    with pytest.raises(ConfigError, match="option high_hz"):
        Config(fs=80.0)


# -- files ------------------------------------------------------------------


def toml(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_can_set_every_option(tmp_path: Path) -> None:
    lines = {
        name: json.dumps(list(value) if isinstance(value, tuple) else value)
        for name, value in OTHER.items()
        if name not in ("classes", "lead_names")
    }
    lines["classes"] = '"cinc2020"'
    lines["lead_names"] = json.dumps(str(NAMES_FILE))
    text = "".join(f"{name} = {value}\n" for name, value in lines.items())
    assert make_config(file=toml(tmp_path / "all.toml", text)) == Config(**OTHER)


def test_whole_numbers_stand_for_floats(tmp_path: Path) -> None:
    config = make_config(file=toml(tmp_path / "o.toml", "fs = 250\nmax_gap_s = 1\n"))
    assert (config.fs, config.max_gap_s) == (250.0, 1.0)
    assert isinstance(config.fs, float)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('fs = "500"', "option fs is '500'; expected a number"),
        ("fs = true", "option fs is True; expected a number"),
        ("fs = nan", "option fs is nan"),
        ("filter_order = 3.0", "option filter_order is 3.0; expected a whole number"),
        ("filter_order = true", "option filter_order is True; expected a whole number"),
        ("beats = 1", "option beats is 1; expected one of ecgstore, neurokit, none"),
        ("beats = true", "option beats is True; expected one of ecgstore, neurokit"),
        ("reject_flat_leads = 'yes'", "option reject_flat_leads is 'yes'"),
        ("limit = 1.5", "option limit is 1.5; expected a whole number"),
        ("limit = true", "option limit is True; expected a whole number"),
        (
            "classes = 7",
            "option classes is 7; expected the name of a class set or a TOML file",
        ),
        ("exclude_sources = 'ptb'", "option exclude_sources is 'ptb'; expected a list"),
        ("select = 1", "option select is 1; expected one of any, first, all"),
        ("dtype = 'int8'", "option dtype is 'int8'; expected one of int16, float32"),
        ("frequency = 500", "unknown option 'frequency'; expected one of allow_"),
        ("[signals]\nfs = 500", "unknown option 'signals'"),
        ("fs = ", "not a readable TOML file"),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path: Path, line: str, message: str) -> None:
    file = toml(tmp_path / "options.toml", line + "\n")
    with pytest.raises(ConfigError, match=message) as caught:
        make_config(file=file)
    assert str(file) in str(caught.value)


def test_unreadable_files_and_unknown_presets_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.toml").write_bytes(b'select = "\xff"')
    for name in ("bytes.toml", "missing.toml"):
        with pytest.raises(ConfigError, match=f"{name}: not a readable TOML file"):
            make_config(file=tmp_path / name)
    with pytest.raises(ConfigError, match="unknown preset 'hybrid7'"):
        make_config(preset="hybrid7")


# -- what the options do to the data ----------------------------------------


def reference(header: Path, config: Config) -> Any:
    """Return the counts of a 500 Hz record of gain 1000, filtered by scipy alone."""
    adc = np.frombuffer(header.with_suffix(".mat").read_bytes()[24:], "<i2")
    signal = adc.reshape(-1, 12).T[
        :, : round((config.duration_s + config.margin_s) * 500)
    ]
    sections = scipy.signal.butter(
        config.filter_order,
        (config.low_hz, config.high_hz),
        "bandpass",
        fs=500,
        output="sos",
    )
    n_pad = min(round(500 / config.low_hz), signal.shape[1] - 1)
    filtered = scipy.signal.sosfiltfilt(
        sections, signal.astype(float), padtype="even", padlen=n_pad
    )
    return filtered[:, : config.n_samples]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"low_hz": 2.0},
        {"high_hz": 20.0},
        {"filter_order": 5},
        {"margin_s": 0.0},
        {"margin_s": 1.0},
        {"margin_s": 4.5},
        {"duration_s": 6.0},
    ],
    ids=str,
)
def test_filter_options_reach_the_signals(
    tmp_path: Path, write_record: WriteRecord, options: dict[str, Any]
) -> None:
    noise = np.random.default_rng(5).integers(-900, 900, (12, 7500)).cumsum(axis=1)
    header = write_record("A0001", (noise % 4001 - 2000).astype(np.int16))
    config = Config(beats="none", **options)
    with ecgstore.open(build(header.parent, tmp_path / "o.h5", config)) as store:
        counts = store.signals([0], dtype="int16")[0].astype(float)
    assert np.abs(counts - reference(header, config)).max() <= 0.51
    if options:
        other = reference(header, Config(duration_s=config.duration_s))
        if "duration_s" not in options:
            assert np.abs(counts - other).max() > 1


def test_sampling_rate_reaches_the_signals(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    def wave(fs: float) -> Any:
        time = np.arange(round(15 * fs)) / fs
        return 1000 * np.sin(2 * np.pi * 5 * time) * np.ones((12, 1))

    folder = write_record("A0001", wave(500).round().astype(np.int16)).parent
    out = build(folder, tmp_path / "o.h5", Config(beats="none", fs=250))
    with ecgstore.open(out) as store:
        counts = store.signals([0], dtype="int16")[0]
    assert counts.shape == (12, 2500)
    middle = slice(500, 2000)
    assert np.abs(counts[:, middle] - wave(250)[:, :2500][:, middle]).max() < 10


def noise(n_samples: int = 5000) -> Any:
    return np.random.default_rng(8).integers(-900, 900, (12, n_samples))


def with_gap(n_missing: int) -> Any:
    adc = noise()
    adc[4, 1000 : 1000 + n_missing] = -32768
    return adc


def with_clipping(n_clipped: int) -> Any:
    adc = noise()
    adc[7, :n_clipped] = 32767
    return adc


def with_flat_lead() -> Any:
    adc = noise()
    adc[5] = 3
    return adc


@pytest.mark.parametrize(
    ("adc", "options", "reason"),
    [
        (noise(750), {"min_duration_s": 1.5}, None),
        (noise(749), {"min_duration_s": 1.5}, Reason.TOO_SHORT),
        (noise(750), {}, Reason.TOO_SHORT),
        (noise(2000), {}, None),
        (noise(2000), {"min_duration_s": 4.1}, Reason.TOO_SHORT),
        (with_gap(150), {}, Reason.GAP_TOO_LONG),
        (with_gap(150), {"max_gap_s": 0.3}, None),
        (with_gap(151), {"max_gap_s": 0.3}, Reason.GAP_TOO_LONG),
        (with_gap(40), {}, None),
        (with_gap(40), {"max_gap_s": 0.05}, Reason.GAP_TOO_LONG),
        (with_gap(1), {"max_gap_s": 0}, Reason.GAP_TOO_LONG),
        (noise(12_000), {"duration_s": 20}, None),
        (noise(12_000), {"duration_s": 20, "max_record_mb": 1}, Reason.TOO_LARGE),
        (noise(10_000), {"duration_s": 20, "max_record_mb": 1}, None),
        (with_clipping(3000), {}, Reason.CLIPPED),
        (with_clipping(3000), {"max_clipped_fraction": 0.6}, None),
        (with_clipping(1000), {}, None),
        (with_clipping(1000), {"max_clipped_fraction": 0.19}, Reason.CLIPPED),
        (with_clipping(5000), {"max_clipped_fraction": 1}, None),
        (with_flat_lead(), {}, None),
        (with_flat_lead(), {"reject_flat_leads": True}, Reason.FLAT_LEAD),
    ],
)
def test_limits_of_the_quality_check_are_options(
    tmp_path: Path,
    write_record: WriteRecord,
    adc: Any,
    options: dict[str, Any],
    reason: Reason | None,
) -> None:
    folder = write_record("A0001").parent
    write_record("A0002", adc.astype(np.int16))
    config = Config(beats="none", **options)
    with ecgstore.open(build(folder, tmp_path / "o.h5", config)) as store:
        assert ("A0002" in store) == (reason is None)
        assert store.quarantine["reason"].tolist() == ([reason] if reason else [])


def test_convention_reaches_the_features(few_records: Path, tmp_path: Path) -> None:
    """The same beats; other divisors, as docs/features.md defines them."""
    n_different = 0
    for convention, ddof, pnn_ddof in (
        ("neurokit", 1, 0),
        ("mietus", 1, 1),
        ("prototype", 0, 1),
    ):
        config = Config(rr_convention=convention, limit=8, select="all")
        with ecgstore.open(build(few_records, tmp_path / "o.h5", config)) as store:
            for row, peaks in enumerate(store.r_peaks()):
                rr = np.diff(peaks[peaks >= 0]) * 2.0  # ms at 500 Hz
                if len(rr) < 3:
                    continue
                values = store.features([row]).iloc[0]
                n_large = (np.abs(np.diff(rr)) > 50).sum()
                n_different += n_large > 0
                assert values["pnn50"] == pytest.approx(n_large / (len(rr) - pnn_ddof))
                assert values["sdnn_ms"] == pytest.approx(rr.std(ddof=ddof), rel=1e-5)
    assert n_different >= 3


def test_options_of_beats_dtype_and_sources_reach_the_store(
    few_records: Path, tmp_path: Path
) -> None:
    config = Config(
        beats="none", dtype="float32", exclude_sources=("ptb-xl", "georgia")
    )
    with ecgstore.open(build(few_records, tmp_path / "o.h5", config)) as store:
        assert store.dtype == "float32"
        assert set(store.quality["beats_status"]) == {
            store.beats_statuses["not_computed"]
        }
        assert (store.r_peaks() == -1).all()
        assert store.features().isna().all(axis=None)
        sources = set(store.records["source"])
        assert sources
        assert not sources & {"ptb-xl", "georgia"}


# -- flags of the command line ----------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[str, str]:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert exit_.value.code in (0, None), printed.err
    return printed.out, printed.err


def test_every_flag_reaches_the_store(
    capsys: pytest.CaptureFixture[str], few_records: Path, tmp_path: Path
) -> None:
    flags: list[object] = []
    for name, value in OTHER.items():
        flag = "--" + name.replace("_", "-")
        if name == "classes":
            flags += [flag, value.name]
        elif name == "lead_names":
            flags += [flag, NAMES_FILE]
        elif isinstance(value, bool):
            flags.append(flag)
        else:
            flags += [flag, ",".join(value) if isinstance(value, tuple) else value]
    out = tmp_path / "out.h5"
    table = tmp_path / "labels.csv"
    table.write_text(
        "record_id,befund,strat_fold,site,device,ejection fraction\nx,AF,1,,2,55\n"
    )
    flags += ["--labels", table]
    run(capsys, "build", few_records, "-o", out, "--workers", 1, "--quiet", *flags)
    with ecgstore.open(out) as store:
        assert store.config == Config(**OTHER)
        assert len(store) <= 7


def test_records_are_selected_by_flags(
    capsys: pytest.CaptureFixture[str], write_record: WriteRecord, tmp_path: Path
) -> None:
    folder = write_record("A0001").parent
    write_record("A0002", dx="270492004")
    write_record("Q0001")
    out = tmp_path / "out.h5"
    arguments = [
        "build",
        folder,
        "-o",
        out,
        "--beats",
        "none",
        "--workers",
        1,
        "--quiet",
    ]
    run(capsys, *arguments)
    before = out.read_bytes()
    with ecgstore.open(out) as store:
        assert list(store) == ["A0001", "Q0001"]
    with pytest.raises(SystemExit):
        main([*map(str, arguments)])
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_bytes() == before
    run(
        capsys, *arguments, "--overwrite", "--select", "all",
        "--exclude-sources", "cpsc_2018_extra",
    )  # fmt: skip
    with ecgstore.open(out) as store:
        assert list(store) == ["A0001", "A0002"]
        assert store.config.select == "all"
        assert store.config.exclude_sources == ("cpsc_2018_extra",)
    run(capsys, *arguments, "--overwrite", "--preset", "prototype")
    with ecgstore.open(out) as store:
        assert store.config.high_hz == 24.0


def test_patients_flag_reaches_the_store(
    capsys: pytest.CaptureFixture[str], write_record: WriteRecord, tmp_path: Path
) -> None:
    folder = write_record("A0001").parent
    patients = tmp_path / "patients.csv"
    patients.write_text("record_id,patient_id\nA0001,Zoë\n", encoding="utf-8")
    out = tmp_path / "out.h5"
    run(
        capsys, "build", folder, "-o", out, "--beats", "none", "--workers", 1,
        "--quiet",
        "--patients", patients,
    )  # fmt: skip
    with ecgstore.open(out) as store:
        assert store.records["patient_id"].tolist() == ["Zoë"]


def test_quarantine_and_unknown_codes_are_printed(
    capsys: pytest.CaptureFixture[str], write_record: WriteRecord, tmp_path: Path
) -> None:
    folder = write_record("A0001", dx="426783006,55555,foo").parent
    write_record("A0002", np.zeros((12, 100), np.int16))
    write_record("A0003", dx="44444,55555")
    out = tmp_path / "out.h5"
    printed, _ = run(
        capsys, "build", folder, "-o", out, "--beats", "none", "--workers", 1, "--quiet"
    )
    lines = printed.splitlines()
    title = next(
        place for place, line in enumerate(lines) if "no table of diagnoses" in line
    )
    assert [line.split() for line in lines[title + 1 : title + 3]] == [
        ["2", "55555"],
        ["1", "44444"],
    ]
    words = next(place for place, line in enumerate(lines) if "words in Dx" in line)
    assert lines[words + 1].split() == ["1", "[texts", "in", "headers]"]
    assert "  left out: records/A0002.hea (too_short): the record has 100" in printed
    printed, _ = run(capsys, "info", out, "--quarantine")
    head, line = printed.splitlines()
    assert head.split() == ["path", "source", "record_id", "reason", "detail"]
    assert line.split()[:4] == ["records/A0002.hea", "cpsc_2018", "A0002", "too_short"]
    printed, _ = run(capsys, "info", out, "--quarantine", "--json")
    [entry] = json.loads(printed)
    assert entry["reason"] == "too_short"
    assert "100 samples" in entry["detail"]
