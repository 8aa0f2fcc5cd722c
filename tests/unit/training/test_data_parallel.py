"""Two real processes, started by torchrun, train as one does."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from lissome.core.context import Context
from lissome.data.task import Task
from lissome.training.optimizers import SGD
from lissome.training.train import Train
from lissome.training.transfers import FeatureHints, SoftTargets

FAST = {"batch_size": 32, "precision": "float32"}


def task() -> Task:
    generator = np.random.default_rng(0)
    labels = np.arange(200) % 2
    images = generator.integers(0, 156, (200, 8, 8, 3)) + 100 * labels[:, None, None, None]
    return Task.from_arrays(images.astype(np.uint8), labels, images.astype(np.uint8), labels)


def network(seed: int = 0, *, width: int = 8, norm: bool = False) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, width, 3),
            nn.BatchNorm2d(width) if norm else nn.Identity(),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, 2),
        ).eval()


class Spy(nn.Module):
    """Draws as dropout does, and has weights that it does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = nn.Linear(2, 2)
        self.drawn = 0.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.drawn = float(torch.rand(()))
        return x


TAUGHT = Train(epochs=2, transfers=(SoftTargets(), FeatureHints()), teacher="original", gradient_clip=1.0, **FAST)
STILL = Train(epochs=2, optimizer=SGD(learning_rate=1e-12), augmentation="none", keep="last", **FAST)

SCRIPT = """
import json, sys
from pathlib import Path
sys.path.insert(0, {here!r})
import torch
from safetensors.torch import save_file
import lissome as ls
from lissome.core.processes import processes
from test_data_parallel import FAST, STILL, TAUGHT, Spy, network, task

class Heard:
    said = []
    def advance(self, task, done, total): pass
    def say(self, message): self.said.append(message)

run, data, folder, facts = processes(), task(), Path({folder!r}), {{}}

def keep(name, outcome):
    save_file(outcome.model.state_dict(), folder / f"{{name}}-{{run.rank}}.safetensors")
    facts[name] = outcome.measurements, [one.reason for one in outcome.notes]

def refused(step, model):
    try:
        step.apply(model, ls.Context(data))
    except ls.LissomeError as error:
        return f"{{type(error).__name__}}: {{error}}"

keep("taught", TAUGHT.apply(network(), ls.Context(data, original=network(1))))
keep("still", STILL.apply(network(norm=True), ls.Context(data)))
torch.manual_seed(0)
spy = Spy()
spied = ls.Train(epochs=1, optimizer=ls.optimizers.SGD(learning_rate=0.1, weight_decay=0.1), **FAST).apply(
    torch.nn.Sequential(spy, network()), ls.Context(data)
).model[0]
facts["drawn"], facts["idle"] = spied.drawn, bool(torch.equal(spied.idle.weight, spy.idle.weight))
facts["uneven"] = refused(ls.Train(epochs=1, batch_size=33), network())
facts["another"] = refused(STILL, network(width=8 + run.rank))
recipe, heard = ls.Recipe(ls.PruneChannels(keep=0.5, multiple_of=2), STILL), Heard()
for _ in range(2):
    with ls.RunDirectory(folder / "run") as memory:
        outcome = recipe.apply(network(), ls.Context(data, memory=memory, progress=heard))
keep("kept", outcome.parts[-1])
facts["said"] = heard.said
(folder / f"{{run.rank}}.json").write_text(json.dumps(facts))
"""


def torchrun(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Start a command in two processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What the two processes found, and where."""
    folder = tmp_path_factory.mktemp("both")
    script = SCRIPT.format(here=str(Path(__file__).parent), folder=str(folder))
    (folder / "script.py").write_text(script)
    ended = torchrun("script.py", folder=folder)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return folder, [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("name", ["taught", "still", "kept"])
def test_both_end_with_the_same_network(both, name):
    folder, (one, other) = both
    first, second = (load_file(folder / f"{name}-{rank}.safetensors") for rank in (0, 1))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    for figure in ("val_metric_before", "val_metric", "best_epoch"):
        assert one[name][0][figure] == other[name][0][figure]
    assert [row["loss"] for row in one[name][0]["history"]] == [row["loss"] for row in other[name][0]["history"]]


def test_two_processes_train_as_one_does(both):
    """Teacher, layers that are trained beside the network, clipping, augmentation: the same batches in parts."""
    folder, facts = both
    alone = TAUGHT.apply(network(), Context(task(), original=network(1)))
    together = load_file(folder / "taught-0.safetensors")
    start = network().state_dict()
    for key, weight in alone.model.state_dict().items():
        assert not torch.allclose(weight, start[key], atol=1e-3), key
        torch.testing.assert_close(together[key], weight, atol=1e-5, rtol=1e-4)
    history = facts[0]["taught"][0]["history"]
    for row, expected in zip(history, alone.measurements["history"], strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], rel=1e-4)
    assert "2 processes share each batch of 32; normalisations see 16 images" in facts[0]["taught"][1]


def test_running_statistics_are_those_of_all_images(both):
    """The mean of the parts' means is the mean; parts of 16 images have a variance of their own, which is no bias."""
    folder, _ = both
    alone = STILL.apply(network(norm=True), Context(task())).model.state_dict()
    together = load_file(folder / "still-0.safetensors")
    torch.testing.assert_close(together["1.running_mean"], alone["1.running_mean"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together["1.running_var"], alone["1.running_var"], atol=0, rtol=0.02)
    assert together["1.num_batches_tracked"] == alone["1.num_batches_tracked"]


def test_each_process_draws_for_itself(both):
    _, (one, other) = both
    assert one["drawn"] != other["drawn"]
    assert one["idle"] and other["idle"]  # not even weight decay moves what no process uses


def test_what_cannot_be_shared_is_refused_by_all(both):
    for facts in both[1]:
        assert facts["uneven"].startswith("SettingError: Train: 2 processes cannot share 33 images evenly")
        assert facts["another"].startswith("BadModelError: torchrun: is not the same in all processes")


def test_finished_steps_are_kept_once_and_found_by_all(both):
    folder, facts = both
    assert len(list((folder / "run" / "steps").glob("*.safetensors"))) == 2
    for one in facts:
        assert [line for line in one["said"] if "kept" in line] == ["  kept from an earlier run"] * 2


RECIPE = """
[[steps]]
kind = "PruneChannels"

[[steps]]
kind = "Train"
epochs = 1
batch_size = 8

[[steps]]
kind = "MeasureLatency"
seconds = 0.05
"""
BUILD = """
from test_data_parallel import network as build
"""


def test_the_command_compresses_in_two_processes(tmp_path):
    (tmp_path / "my.py").write_text(f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n{BUILD}")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    labels = np.arange(80) % 2
    images = np.random.default_rng(0).integers(0, 255, (80, 8, 8, 3)).astype(np.uint8)
    np.savez(tmp_path / "d.npz", images=images, labels=labels)
    line = ["compress", "my.py:build", "--data", "d.npz", "--recipe", "recipe.toml", "--on", "onnxruntime"]
    curves = ["--tensorboard", "curves"] if find_spec("tensorboardX") else []
    ended = torchrun("-m", "lissome", *line, *curves, "--out", "x.lissome", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert ended.stdout.count("wrote x.lissome") == 1
    assert ended.stderr.count("step 2 of 3: Train") == ended.stderr.count("epoch 1 of 1: loss") == 1
    assert (tmp_path / "x.lissome").exists()
    assert not (tmp_path / "x.lissome.run").exists()
    assert len(list(tmp_path.glob("curves/events.*"))) == (1 if curves else 0)
