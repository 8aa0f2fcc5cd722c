import subprocess
import sys

import pytest
import torch
from torch import nn

from lissome.core.errors import RunError
from lissome.core.run_directory import RunDirectory


def test_what_is_kept_is_recalled_by_its_key_alone(tmp_path):
    model = nn.Sequential(nn.Linear(2, 3))
    with RunDirectory(tmp_path / "a" / "run") as run:
        run.keep("key", model, {"step": "First"})
        kept, receipt = run.recall("key")
        assert run.recall("other") is None
    assert torch.equal(kept(torch.ones(1, 2)), model(torch.ones(1, 2)))
    assert receipt == {"step": "First"}


@pytest.mark.parametrize("length", [0, 7, 300, -1])
def test_a_damaged_file_counts_as_absent(tmp_path, length):
    with RunDirectory(tmp_path) as run:
        run.keep("key", nn.Sequential(nn.Linear(2, 3)), {})
        (file,) = (tmp_path / "steps").iterdir()
        file.write_bytes(file.read_bytes()[:length])
        assert run.recall("key") is None


def test_one_process_at_a_time(tmp_path):
    # The lock alone, since the child would otherwise spend seconds on loading torch.
    program = "import sys, filelock; filelock.FileLock(sys.argv[1]).acquire(timeout=0)"
    command = [sys.executable, "-c", program, str(tmp_path / ".lock")]
    with RunDirectory(tmp_path):
        with pytest.raises(RunError, match="another process is using this run"), RunDirectory(tmp_path):
            pass
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Timeout" in refused.stderr
    subprocess.run(command, check=True)


def test_a_path_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be used"), RunDirectory(tmp_path / "file"):
        pass
