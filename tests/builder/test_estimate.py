"""What is said before a long build, and that nothing is said before others."""

from pathlib import Path

import pytest

from ecgstore.builder import estimate
from ecgstore.builder.estimate import LONG_BUILD, announce
from ecgstore.config import Config

FAST = Config(beats="none")


def test_room_and_time_of_a_long_build(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "seconds_of_record", lambda _: 0.036)
    announce(1_000_000, tmp_path, FAST, 10)
    said = capsys.readouterr().err
    gigabytes = float(said.split(": ")[1].split()[0])
    assert 120 < gigabytes < 145  # 120 KB of signals, and what is known of a record
    assert "60 min with 10 processes" in said
    announce(1_000_000, tmp_path, FAST, None)
    assert "10.0 hours of one core" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("n_records", "config"),
    [
        (None, FAST),
        (LONG_BUILD - 1, FAST),
        (LONG_BUILD, Config(beats="none", windows="every=10s")),
    ],
)
def test_nothing_is_said_of_others(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    n_records: int | None,
    config: Config,
) -> None:
    announce(n_records, tmp_path, config, 1)
    assert capsys.readouterr().err == ""
    announce(LONG_BUILD, tmp_path, FAST, 1)
    assert "records found" in capsys.readouterr().err
