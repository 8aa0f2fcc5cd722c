import pickle
import struct

import numpy as np
import pytest
import torch
from torch import nn

from lissome.core.context import Context
from lissome.core.errors import LissomeError
from lissome.core.recipe import Recipe
from lissome.data.task import Task
from lissome.training import tensorboard
from lissome.training.optimizers import SGD
from lissome.training.recalibrate_batch_norm import RecalibrateBatchNorm
from lissome.training.regularizers import L1OnBatchNormScale
from lissome.training.tensorboard import TensorBoard
from lissome.training.train import Train


def curves_in(folder):
    """Read the event files back: (curve, epoch) to value."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2", reason="tensorboardX is not installed")
    found = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        data, place = path.read_bytes(), 0
        while place < len(data):
            (length,) = struct.unpack_from("<Q", data, place)
            event = event_pb2.Event.FromString(data[place + 12 : place + 12 + length])
            found |= {(one.tag, event.step): one.simple_value for one in event.summary.value}
            place += 12 + length + 4  # a checksum of the length lies before the record, one of the record behind
    return found


@pytest.fixture
def task():
    images = np.random.default_rng(0).integers(0, 256, (80, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(80) % 2
    return Task.from_arrays(images, labels, images[:16], labels[:16])


@pytest.fixture
def network():
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    return nn.Sequential(*layers)


FAST = {"batch_size": 16, "precision": "float32", "optimizer": SGD(learning_rate=0.1)}


def test_each_epoch_is_in_the_file_and_is_what_the_receipt_says(task, network, tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    inner = Recipe(Train(epochs=1, regularizer=L1OnBatchNormScale(strength=0.01), **FAST))
    recipe = Recipe(RecalibrateBatchNorm(images=32), Train(epochs=3, **FAST), inner)
    outcome = recipe.apply(network, Context(task, curves=TensorBoard(tmp_path / "curves")))
    found = curves_in(tmp_path / "curves")
    plain, nested = outcome.parts[1].measurements, outcome.parts[2].parts[0].measurements
    expected = {("2_Train/val_metric", 0): plain["val_metric_before"]}
    expected |= {("3_Recipe/1_Train/val_metric", 0): nested["val_metric_before"]}
    for name, figures in (("2_Train", plain), ("3_Recipe/1_Train", nested)):
        for row in figures["history"]:
            shown = {key: row[key] for key in row if key not in ("epoch", "seconds")}
            expected |= {(f"{name}/{key}", row["epoch"]): value for key, value in shown.items()}
    rates = {key: found.pop(key) for key in list(found) if key[0].endswith("learning_rate")}
    assert found == pytest.approx(expected)
    assert ("3_Recipe/1_Train/near_zero", 1) in found
    assert [rates["2_Train/learning_rate", epoch] for epoch in (1, 2, 3)] == sorted(
        (value for (name, _), value in rates.items() if name.startswith("2_")), reverse=True
    )
    assert 0 < rates["2_Train/learning_rate", 3] < rates["2_Train/learning_rate", 1] <= 0.1


def test_a_copy_in_another_process_writes_beside(tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    board = TensorBoard(tmp_path)
    other = pickle.loads(pickle.dumps(board))
    board.within("one").add({"loss": 1.0}, 1)
    other.within("other").add({"loss": 2.0}, 1)
    assert curves_in(tmp_path) == {("one/loss", 1): 1.0, ("other/loss", 1): 2.0}


def test_nothing_to_write_leaves_nothing(tmp_path):
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    TensorBoard(tmp_path / "curves").within("part")
    assert not (tmp_path / "curves").exists()


def test_without_the_package_it_is_refused_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    with pytest.raises(LissomeError, match=r'tensorboardX is not installed; pip install "lissome\[tensorboard\]"'):
        TensorBoard(tmp_path)
