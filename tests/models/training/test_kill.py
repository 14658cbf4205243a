"""A killed training is resumed exactly, in another process."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.models.training.train_and_print import train_and_print

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.skipif(os.name != "posix", reason="kills processes")
def test_a_killed_training_is_resumed_in_another_process(
    sample_store: Path, tmp_path: Path
) -> None:
    choice = random.Random()
    n_lines, pause_s = choice.randrange(3, 14), choice.uniform(0, 0.02)
    killed_file, whole_file = tmp_path / "killed.pt", tmp_path / "whole.pt"
    program = "tests.models.training.train_and_print"
    killed = subprocess.Popen(
        [sys.executable, "-m", program, str(sample_store), str(killed_file)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert killed.stdout is not None
        for _ in range(n_lines):
            assert killed.stdout.readline().strip().isdigit()
        time.sleep(pause_s)
        killed.send_signal(signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
        killed.stdout.close()
    finally:
        killed.kill()
    assert killed_file.exists()
    resumed = train_and_print(sample_store, killed_file)
    whole = train_and_print(sample_store, whole_file)
    assert json.dumps(resumed) == json.dumps(whole), (n_lines, pause_s)
