"""Pipes and devices are refused where a file is expected: they may have no end."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import ecgstore
from ecgstore.builder.patient_key import PatientKeyError, _read_or_create
from ecgstore.diagnoses import class_set
from ecgstore.errors import ConfigError, EcgStoreError, SchemaError
from ecgstore.label_tables import read_tables
from ecgstore.lead_names import LeadNames
from ecgstore.models import Checkpoint
from ecgstore.sources import find_headers
from ecgstore.system.known_files import known_file


def labels(path: Path) -> object:
    """Read a table of labels."""
    return read_tables(ecgstore.Config(), labels=path)


def patients(path: Path) -> object:
    """Read a table of patients."""
    return read_tables(ecgstore.Config(), patients=path)


def config_file(path: Path) -> object:
    """Read a file of options."""
    return ecgstore.make_config(file=path)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("read", "error"),
    [
        (labels, ConfigError),
        (patients, ConfigError),
        (config_file, ConfigError),
        (LeadNames.read, ConfigError),
        (class_set, ConfigError),
        (_read_or_create, PatientKeyError),
        (ecgstore.open, SchemaError),
        (Checkpoint.load, SchemaError),
    ],
)
def test_pipes_and_devices_are_refused(
    tmp_path: Path, read: Callable[[Path], object], error: type[EcgStoreError]
) -> None:
    pipe, device = tmp_path / "pipe.toml", tmp_path / "device.toml"
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    for path in (pipe, device):
        with pytest.raises(error, match="expected a regular file"):
            read(path)


@pytest.mark.timeout(20)
def test_a_pipe_is_no_record(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert known_file(tmp_path / "pipe") == ""
    with pytest.raises(EcgStoreError, match="holds no ECG"):
        find_headers(tmp_path / "pipe")
