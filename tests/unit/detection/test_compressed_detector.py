"""The whole way of a detector: trained, pruned, rounded, exported, counted on the engine, shown."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import lissome as ls
from lissome.detection.box_files import box_file_split
from lissome.detection.box_task import box_task
from lissome.detection.heads import FastestDetHead
from lissome.exporting.parity import INTEGER, Limits, compare
from lissome.exporting.proving import outputs_of
from lissome.exporting.samples import take_samples
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.training.optimizers import AdamW

pytest.importorskip("faster_coco_eval")


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """Pictures of one or two bright rectangles: red ones are of class 0, green ones of class 1."""
    folder = tmp_path_factory.mktemp("boxes")
    generator = np.random.default_rng(0)
    for part, pictures in (("train", 40), ("test", 16)):
        (folder / part).mkdir()
        for number in range(pictures):
            pixels, lines = generator.integers(0, 60, (64, 64, 3), np.uint8), []
            for side in range(1 + number % 2):
                kind, x, y = int(generator.integers(2)), int(generator.integers(0, 8)) + 32 * side, 4 + 2 * number % 24
                pixels[y : y + 28, x : x + 24, kind] = 240
                lines.append(f"{kind} {(x + 12) / 64} {(y + 14) / 64} {24 / 64} {28 / 64}")
            Image.fromarray(pixels).save(folder / part / f"{number}.png")
            (folder / part / f"{number}.txt").write_text("\n".join(lines))
    size = ls.Preprocessing(channels=3, height=64, width=64)
    train, test = (box_file_split(folder / part, folder / part, size, 2) for part in ("train", "test"))
    return box_task(train, test, FastestDetHead(height=64, width=64), class_names=("red", "green"))


def network():
    """Return the smallest network that FastestDet's head can read: five convolutions to stride 16."""
    sides = ((3, 16), (16, 24), (24, 32), (32, 32))
    layers = [ConvNormActivation(one, two, 3, stride=2) for one, two in sides]
    return nn.Sequential(*layers, ConvNormActivation(32, 32, 3), nn.Conv2d(32, 7, 1))


@pytest.fixture(scope="module")
def trained(task):
    torch.manual_seed(0)
    step = ls.Train(
        epochs=25, batch_size=8, optimizer=AdamW(learning_rate=1e-2), augmentation="none", precision="float32"
    )
    return step.apply(network(), ls.Context(task))


def head_of(task):
    return task.metric.head


def test_training_teaches_it(task, trained):
    assert trained.measurements["val_metric"] > trained.measurements["val_metric_before"] + 0.3
    assert ls.average_precision(trained.model, task.test, head_of(task)).ap50 > 0.6


def test_rounded_and_exported_it_sees_the_same_on_the_engine(task, trained, tmp_path):
    head = head_of(task)
    rounded = ls.Quantize().apply(trained.model, ls.Context(task))
    artifact = ls.export(rounded, tmp_path / "int8.lissome", runtimes=["onnxruntime"])
    limits = Limits(**artifact.card.engines["onnxruntime"].parity["limits"])
    samples = take_samples(ls.Context(task))
    before, after = (outputs_of(model.eval(), samples) for model in (trained.model, rounded.model))
    (change,) = compare(before, after, engine="rounding", limits=INTEGER).outputs
    assert limits.cosine == pytest.approx(min(INTEGER.cosine, 1 - 2 * (1 - change.cosine)), abs=1e-3)
    assert limits.max_rel == pytest.approx(max(INTEGER.max_rel, 2 * change.max_rel), abs=0.01)
    wrong = copy.deepcopy(rounded.model)
    with torch.no_grad():
        next(one for one in wrong.modules() if isinstance(one, nn.Conv2d)).weight[:2] *= -1
    assert compare(after, outputs_of(wrong, samples), engine="wrong", limits=limits).failure
    compared = ls.compare_detectors(
        trained.model,
        artifact.session("onnxruntime"),
        task.test,
        head,
        class_names=task.class_names,
        names=("float32", "int8"),
        pictures=2,
    )
    assert compared.after.ap50 > compared.before.ap50 - 0.1
    assert "int8" in str(compared)
    page = ls.report(tmp_path / "detector.html", compared).read_text()
    assert page.count('src="data:image/jpeg;base64,') == 4
    assert f"AP50 {compared.before.ap50:.3f} before" in page


def test_pruned_it_is_smaller_and_learns_again(task, trained):
    recipe = ls.Recipe(
        ls.PruneChannels(keep=0.7, score=ls.scores.L1()),
        ls.Train(epochs=8, batch_size=8, optimizer=AdamW(learning_rate=3e-3), augmentation="none", precision="float32"),
    )
    outcome = recipe.apply(trained.model, ls.Context(task))
    params = [sum(one.numel() for one in model.parameters()) for model in (trained.model, outcome.model)]
    assert params[1] < 0.75 * params[0]
    assert ls.average_precision(outcome.model, task.test, head_of(task)).ap50 > 0.4


def test_a_negative_number_of_pictures_is_refused(task, trained):
    with pytest.raises(ls.SettingError, match="pictures is -1"):
        ls.compare_detectors(trained.model, trained.model, task.test, head_of(task), pictures=-1)
