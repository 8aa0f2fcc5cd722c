"""A run that is killed leaves no half-written file, and goes on from its last finished step."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

MODEL = """
from torch import nn
def build():
    return nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(16, 2))
"""
RECIPE = """
[[steps]]
kind = "PruneChannels"

[[steps]]
kind = "Train"
epochs = {epochs}
batch_size = 8
"""
COMMAND = "from lissome.cli import main; main()"


def command(folder: Path, *more: str) -> subprocess.Popen[str]:
    line = ["compress", "my.py:build", "--data", "d.npz", "--recipe", "r.toml", "--on", "onnxruntime"]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *line, "--out", "x.lissome", *more],
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_killed_run_goes_on_from_its_last_step(tmp_path: Path) -> None:
    labels = np.arange(80) % 2
    images = np.random.default_rng(0).integers(0, 255, (80, 8, 8, 3)).astype(np.uint8)
    np.savez(tmp_path / "d.npz", images=images, labels=labels)
    (tmp_path / "my.py").write_text(MODEL)
    (tmp_path / "r.toml").write_text(RECIPE.format(epochs=100_000))

    first = command(tmp_path)
    steps = tmp_path / "x.lissome.run" / "steps"
    deadline = time.monotonic() + 120
    # A hidden file is one that is still being written; a kill then loses the step, which is not what is tested here.
    while not list(steps.glob("[!.]*.safetensors")):
        assert time.monotonic() < deadline, "the first step never finished"
        assert first.poll() is None, first.communicate()
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not (tmp_path / "x.lissome").exists()

    again = command(tmp_path)
    assert "--resume" in again.communicate()[1]
    assert again.returncode == 2

    # my.py makes new random weights at each start; the kept step is found only if they are the same ones.
    (tmp_path / "r.toml").write_text(RECIPE.format(epochs=1))
    last = command(tmp_path, "--resume")
    errors = last.communicate()[1]
    assert last.returncode == 0, errors
    assert errors.index("PruneChannels") < errors.index("kept from an earlier run") < errors.index("Train")
    assert (tmp_path / "x.lissome").exists()
    assert not steps.exists()
