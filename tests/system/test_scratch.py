"""Folders for unfinished files do not outlive the processes that were killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ecgstore.system import scratch
from ecgstore.system.scratch import scratch_folder

KILLED = """
import sys, time
from pathlib import Path
from ecgstore.system.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "partial").write_text("half")
    print(flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(os.name != "posix", reason="folders have no locks")
def test_folders_of_killed_processes_are_removed(tmp_path: Path) -> None:
    (tmp_path / "ecgstore-notes").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    with scratch_folder(tmp_path) as folder:
        assert len([*tmp_path.glob("*scratch*")]) == 2  # the other process lives
        (folder / "file").touch()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len([*tmp_path.glob("*scratch*")]) == 1
    with scratch_folder(tmp_path) as folder:
        assert [*tmp_path.glob("*scratch*")] == [folder]
    assert [path.name for path in tmp_path.iterdir()] == ["ecgstore-notes"]


def test_a_folder_that_another_process_takes_for_abandoned_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([False, True])
    monkeypatch.setattr(scratch, "try_lock", lambda _: next(answers))
    with scratch_folder(tmp_path) as folder:
        assert folder.is_dir()
    with pytest.raises(StopIteration):
        next(answers)
