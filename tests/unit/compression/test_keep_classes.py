import numpy as np
import pytest
import torch
from torch import nn

import lissome as ls
from lissome.tracing.classifier import with_classes


@pytest.fixture(scope="module")
def task():
    generator = np.random.default_rng(0)
    pixels, labels = generator.integers(0, 256, (200, 8, 8, 3), dtype=np.uint8), np.arange(200) % 5
    for number in range(5):  # each class has a colour of its own
        pixels[labels == number, ..., number % 3] = 40 * number + 30
    names = ["cat", "dog", "frog", "horse", "ship"]
    return ls.Task.from_arrays(pixels, labels, pixels[:50], labels[:50], class_names=names)


def _network():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 16, 3), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5)).eval()


def test_only_the_classes_that_stay_have_outputs_and_they_are_the_same(task):
    network, step = _network(), ls.KeepClasses(classes=("ship", 1), prune=None, recalibrate=None, train=None)
    outcome = step.apply(network, ls.Context(task))
    images = torch.randn(3, 3, 8, 8)
    torch.testing.assert_close(outcome.model(images), network(images)[:, [1, 4]])
    assert outcome.context.task.class_names == ("dog", "ship")
    assert outcome.measurements["classes"] == [1, 4]
    assert outcome.notes[0].reason == "classes dog, ship of 5"


@pytest.mark.parametrize("convolution", [False, True])
def test_other_is_the_last_and_begins_as_the_mean_of_what_goes(convolution):
    network = _network()
    if convolution:  # classifiers that end in a convolution, and a view with the number of classes in the code
        network = nn.Sequential(*network[:5], nn.Conv2d(16, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Unflatten(1, (5, 1)))
        network = nn.Sequential(*network[:7], nn.Flatten())
    images = torch.randn(3, 3, 8, 8)
    expected = network(images)
    cut = with_classes(network, (images,), [2, 4], other=True)
    torch.testing.assert_close(
        cut(images), torch.stack((*expected[:, [2, 4]].T, expected[:, [0, 1, 3]].mean(1)), dim=1)
    )


def test_labels_and_images_of_the_smaller_task(task):
    some = task.only(("frog", "dog"))
    assert some.classes == 2 and set(some.train.labels()) == {0, 1}
    ours = np.isin(task.test.labels(), (1, 2))
    whole = np.concatenate([one.numpy() for one, _ in task.test.batches(64)])
    images = np.concatenate([one.numpy() for one, _ in some.test.batches(64)])
    np.testing.assert_array_equal(images, whole[ours])
    labels = np.concatenate([one.numpy() for _, one in some.test.batches(7)])
    np.testing.assert_array_equal(labels, task.test.labels()[ours] - 1)


def test_other_images_are_all_tested_and_no_more_trained_on_than_the_rest(task):
    some = task.only((0,), other=True)
    assert some.class_names == ("cat", "other")
    assert len(some.test) == len(task.test) and (some.test.labels() == 1).sum() == 40
    counts = np.bincount(some.train.labels())
    assert counts[0] == counts[1] == (task.train.labels() == 0).sum()
    assert set(task.train.labels()) == {0, 1, 2, 3, 4}


def test_what_the_kept_classes_do_not_need_is_pruned_and_they_are_learnt(task):
    network, context = _network(), ls.Context(task, seed=1)
    step = ls.KeepClasses(
        classes=(0, 4),
        prune=ls.PruneChannels(keep=0.6, objective="macs", score=ls.scores.Taylor(images=32)),
        train=ls.Train(epochs=8, batch_size=16, teacher="original", alpha=0.3, augmentation="none"),
    )
    outcome = step.apply(network, context)
    assert outcome.step == "KeepClasses" and [one.step for one in outcome.parts] == [
        *("KeepClasses", "PruneChannels", "RecalibrateBatchNorm", "Train")
    ]
    assert outcome.measurements["macs"] <= 0.6 * outcome.measurements["macs_before"]
    assert outcome.measurements["params_before"] == sum(one.numel() for one in network.parameters())
    some = outcome.context.task
    assert ls.evaluate(outcome.model, some.test, some.metric) > 0.9
    assert outcome.context.original(torch.zeros(1, 3, 8, 8)).shape == (1, 2)


def test_steps_behind_it_and_the_artifact_have_the_smaller_task(task, tmp_path):
    alone = ls.KeepClasses(classes=(0, 3), prune=None, recalibrate=None, train=None)
    recipe = ls.Recipe(alone, ls.Train(epochs=1, batch_size=16, teacher="original"), ls.FoldBatchNorm())
    with ls.RunDirectory(tmp_path / "run") as run:
        outcomes = [recipe.apply(_network(), ls.Context(task, memory=run)) for _ in range(2)]
    for outcome in outcomes:  # the second comes from the memory alone
        assert outcome.context.task.class_names == ("cat", "horse")
    images = torch.randn(2, 3, 8, 8)
    assert torch.equal(outcomes[0].model(images), outcomes[1].model(images))
    artifact = ls.export(outcomes[1], tmp_path / "two.lissome", runtimes=["onnxruntime"])
    assert artifact.card.classes == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda task: ls.KeepClasses(classes=(1,)), "1 classes leave nothing to decide"),
        (lambda task: task.only((0, 9)), "there is no class 9"),
        (lambda task: task.only((0, "cat")), "0, cat of 5 classes"),
        (lambda task: task.only(range(5)), "of 5 classes"),
        (lambda task: task.only(("hors",)), "did you mean 'horse'"),
    ],
)
def test_classes_that_are_not_there_are_refused(task, make, message):
    with pytest.raises(ls.LissomeError, match=message):
        make(task)


def test_networks_without_logits_of_their_own_are_refused():
    images = torch.zeros(1, 3, 8, 8)
    mixed = nn.Sequential(nn.Flatten(), nn.Linear(192, 6), nn.Softmax(1))
    twice = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten())
    maps = nn.Sequential(nn.Conv2d(3, 4, 1))
    with pytest.raises(ls.BadModelError, match="not one row of classes"):
        with_classes(maps, (images,), [0, 1])
    with pytest.raises(ls.BadModelError, match="mixed behind the layer"):
        with_classes(twice, (images,), [0, 1])
    with pytest.raises(ls.BadModelError, match="mixed behind the layer"):
        with_classes(mixed, (images,), [0, 1])
