import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import lissome as ls
from lissome.core.errors import BadModelError
from lissome.tables import TRANSFERS
from lissome.training.lesson import Lesson
from lissome.training.objective import Objective
from lissome.training.taps import Taps, matched_layers
from lissome.training.teacher import Teacher
from lissome.training.transfers.soft_targets import soft_target_loss
from lissome.training.transfers.transfer import Answer

STUDENT = torch.tensor([[0.0, 0.0], [1.0, 3.0]])
TEACHER = torch.tensor([[2.0, 0.0], [1.0, 3.0]])


def test_the_loss_is_the_divergence_by_hand() -> None:
    # First row at T = 2: teacher softmax(1, 0) = (p, 1 - p), student (1/2, 1/2); second row equal. Mean, times T².
    p = math.e / (math.e + 1)
    divergence = p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p))
    assert soft_target_loss(STUDENT, TEACHER, 2.0).item() == pytest.approx(4 * divergence / 2, rel=1e-5)


def test_only_the_student_gets_a_gradient() -> None:
    student, teacher = STUDENT.clone().requires_grad_(), TEACHER.clone().requires_grad_()
    soft_target_loss(student, teacher, 3.0).backward()
    assert teacher.grad is None
    # dL/ds = T² · (q - p) / T / N, with the softened answers p of the teacher and q of the student.
    expected = 3 * ((STUDENT / 3).softmax(1) - (TEACHER / 3).softmax(1)) / 2
    assert torch.allclose(student.grad, expected, atol=1e-6)


def test_the_teacher_is_a_copy_that_does_not_learn() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(0.9), nn.Flatten(), nn.Linear(16, 2)).train()
    images = torch.randn(2, 3, 4, 4)
    teacher = Teacher([network], images, torch.float32)
    assert network.training and network[0].weight.is_contiguous()
    answer = teacher(images).logits
    assert torch.allclose(answer, network.eval()(images), atol=1e-6)
    assert not answer.requires_grad and not answer.is_inference()
    network[3].weight.data.zero_()
    assert torch.equal(teacher(images).logits, answer)


def test_bfloat16_answers_are_close_and_float32() -> None:
    network, images = nn.Sequential(nn.Flatten(), nn.Linear(48, 5)), torch.randn(2, 3, 4, 4)
    answer = Teacher([network], images, torch.bfloat16)(images).logits
    exact = network(images)
    assert answer.dtype == torch.float32
    assert torch.allclose(answer, exact, atol=0.05) and not torch.equal(answer, exact)


def test_the_objective_weighs_both_losses() -> None:
    labels = torch.tensor([0, 1])
    lesson = Lesson(lambda images: Answer(TEACHER), [ls.transfers.SoftTargets(temperature=2.0, weight=3.0)])
    objective = Objective(hard=functional.cross_entropy, dtype=torch.float32, lesson=lesson, alpha=0.75)
    soft, hard = soft_target_loss(STUDENT, TEACHER, 2.0), functional.cross_entropy(STUDENT, labels)
    assert objective(nn.Identity(), STUDENT, labels).item() == pytest.approx((0.75 * 3 * soft + 0.25 * hard).item())


def test_a_teacher_of_other_classes_is_refused() -> None:
    lesson = Lesson(lambda images: Answer(torch.zeros(2, 7)))
    objective = Objective(hard=functional.cross_entropy, dtype=torch.float32, lesson=lesson)
    with pytest.raises(BadModelError, match=r"teacher: gives \(7,\), the network \(2,\)"):
        objective(nn.Identity(), STUDENT, torch.tensor([0, 1]))


def test_several_teachers_answer_by_the_mean_of_their_logits() -> None:
    torch.manual_seed(0)
    networks, images = [nn.Sequential(nn.Flatten(), nn.Linear(12, 3)) for _ in range(2)], torch.randn(5, 3, 2, 2)
    answer = Teacher(networks, images, torch.float32)(images).logits
    torch.testing.assert_close(answer, (networks[0](images) + networks[1](images)) / 2)
    # The mean of logits is the geometric mean of probabilities, brought to sum 1.
    products = (networks[0](images).softmax(1) * networks[1](images).softmax(1)).sqrt()
    torch.testing.assert_close(answer.softmax(1), products / products.sum(1, keepdim=True))


def _loss(transfer, student, teacher, labels=None):
    adapters = transfer.adapters([one.shape for one in student.features], [one.shape for one in teacher.features])
    return transfer.loss(
        student, teacher, torch.zeros(len(student.logits)).long() if labels is None else labels, adapters
    )


def test_decoupled_targets_by_hand() -> None:
    student, teacher, labels = torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([0])
    transfer = ls.transfers.DecoupledTargets(temperature=2.0, target=1.5, others=4.0)

    def parts(logits):
        powers = [math.exp(one / 2) for one in logits[0].tolist()]
        right = powers[0] / sum(powers)
        return (right, 1 - right), [one / sum(powers[1:]) for one in powers[1:]]

    (ours, wrong), (theirs, shown) = parts(student), parts(teacher)
    sure = sum(p * math.log(p / q) for p, q in zip(theirs, ours, strict=True))
    among = sum(p * math.log(p / q) for p, q in zip(shown, wrong, strict=True))
    found = _loss(transfer, Answer(student), Answer(teacher), labels)
    assert found.item() == pytest.approx(4 * (1.5 * sure + 4 * among), rel=1e-5)
    shares = torch.tensor([[0.9, 0.1, 0.0]])
    assert _loss(transfer, Answer(student), Answer(teacher), shares).item() == pytest.approx(found.item())


def test_decoupled_targets_add_up_to_soft_targets_with_the_weight_that_those_hide() -> None:
    student, teacher, labels = torch.randn(1, 5), torch.randn(1, 5), torch.tensor([2])
    doubt = 1 - float((teacher / 3).softmax(1)[0, 2])
    transfer = ls.transfers.DecoupledTargets(temperature=3.0, target=1.0, others=doubt)
    expected = soft_target_loss(student, teacher, 3.0)
    assert _loss(transfer, Answer(student), Answer(teacher), labels).item() == pytest.approx(expected.item(), rel=1e-4)


def test_attention_is_blind_to_scale_and_channels_but_not_to_place() -> None:
    logits, maps = torch.zeros(2, 3), torch.randn(2, 4, 5, 5)
    transfer = ls.transfers.AttentionTransfer()
    teacher = Answer(logits, (maps,))
    assert _loss(transfer, Answer(logits, (torch.cat([7 * maps, -7 * maps], dim=1),)), teacher).item() < 1e-10
    assert _loss(transfer, Answer(logits, (maps.flip(3),)), teacher).item() > 0.01
    # Two maps that look at different pixels are at right angles: the squared distance of unit vectors is 2.
    one, other = torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)
    one[:, :, 0, 0], other[:, :, 3, 3] = 1, 5
    assert _loss(transfer, Answer(logits, (one,)), Answer(logits, (other,))).item() == pytest.approx(2.0)
    assert _loss(transfer, Answer(logits, (maps[:, :, ::2, ::2],)), teacher).isfinite()


def test_hints_compare_maps_through_an_adapter_that_learns() -> None:
    torch.manual_seed(0)
    transfer = ls.transfers.FeatureHints()
    ours, theirs = torch.randn(4, 3, 6, 6), torch.randn(4, 5, 6, 6)
    adapters = transfer.adapters([ours.shape], [theirs.shape])
    student, teacher = Answer(torch.zeros(4, 2), (ours,)), Answer(torch.zeros(4, 2), (theirs,))
    found = transfer.loss(student, teacher, torch.zeros(4), adapters)
    assert found.item() == pytest.approx(float((adapters[0](ours) - theirs).square().mean().detach()))
    found.backward()
    assert adapters[0].weight.grad.norm() > 0


def test_hints_compare_maps_of_as_many_channels_as_they_are() -> None:
    torch.manual_seed(0)
    transfer = ls.transfers.FeatureHints()
    ours, theirs = torch.randn(4, 3, 6, 6), torch.randn(4, 3, 6, 6)
    adapters = transfer.adapters([ours.shape], [theirs.shape])
    assert not list(adapters.parameters())
    student, teacher = Answer(torch.zeros(4, 2), (ours,)), Answer(torch.zeros(4, 2), (theirs,))
    found = transfer.loss(student, teacher, torch.zeros(4), adapters)
    assert found.item() == pytest.approx(float((ours - theirs).square().mean()))
    assert transfer.loss(student, student, torch.zeros(4), adapters).item() == 0


def test_relative_hints_weigh_the_same_however_large_the_maps_are() -> None:
    torch.manual_seed(0)
    ours, theirs = torch.randn(4, 3, 6, 6), torch.randn(4, 3, 6, 6)
    transfer, nothing = ls.transfers.FeatureHints(relative=True), nn.ModuleList([nn.Identity()])
    small, large = (
        transfer.loss(
            Answer(torch.zeros(4, 2), (times * ours,)),
            Answer(torch.zeros(4, 2), (times * theirs,)),
            torch.zeros(4),
            nothing,
        )
        for times in (1.0, 30.0)
    )
    assert small.item() == pytest.approx(large.item(), rel=1e-5)
    assert small.item() == pytest.approx(float((ours - theirs).square().mean() / theirs.square().mean()), rel=1e-5)


def test_relations_are_those_of_the_figure_not_of_its_place_or_size() -> None:
    points = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    moved = 2 * points @ torch.tensor([[0.0, 1.0], [-1.0, 0.0]]) + 7
    transfer = ls.transfers.Relations()
    assert _loss(transfer, Answer(moved), Answer(points)).item() < 1e-9
    line = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    only = ls.transfers.Relations(distances=1.0, angles=0.0)
    # Distances 3, 4, 5 and 1, 2, 1 as shares of their means, by Huber's loss.
    shares = zip((3 / 4, 4 / 4, 5 / 4), (3 / 4, 6 / 4, 3 / 4), strict=True)
    expected = sum((one - other) ** 2 / 2 for one, other in shares) / 3
    assert _loss(only, Answer(line), Answer(points)).item() == pytest.approx(expected)
    assert _loss(ls.transfers.Relations(distances=0.0), Answer(line), Answer(points)).item() > 0.01


@pytest.mark.parametrize("transfer", [getattr(ls.transfers, name)() for name in TRANSFERS])
def test_no_transfer_sends_a_gradient_to_the_teacher_or_fails_on_equals(transfer) -> None:
    torch.manual_seed(0)
    sides = []
    for _ in range(2):
        logits, maps = torch.randn(4, 3, requires_grad=True), torch.randn(4, 2, 6, 6, requires_grad=True)
        sides.append(Answer(logits, (maps,)))
    loss = _loss(transfer, *sides)
    loss.backward()
    assert loss > 0
    assert sides[1].logits.grad is None and sides[1].features[0].grad is None
    used = sides[0].features[0] if isinstance(transfer, ls.transfers.FeatureTransfer) else sides[0].logits
    assert used.grad.isfinite().all() and used.grad.norm() > 0


def test_layers_are_matched_by_the_size_of_their_maps() -> None:
    teacher, student = ls.create("resnet56", seed=0), ls.create("resnet20", seed=0)
    pairs = matched_layers(student, teacher, torch.zeros(1, 3, 32, 32))
    assert [one.rsplit(".", 1)[0] for one in pairs] == ["stages.stage1.2", "stages.stage2.2", "stages.stage3.2"]
    assert [one.rsplit(".", 1)[0] for one in pairs.values()] == [
        "stages.stage1.8",
        "stages.stage2.8",
        "stages.stage3.8",
    ]
    with pytest.raises(ls.SettingError, match="share no size of maps"):
        matched_layers(student, nn.Flatten(), torch.zeros(1, 3, 32, 32))


def test_taps_that_see_nothing_say_so() -> None:
    model = nn.Sequential(nn.ReLU())
    with pytest.raises(ls.SettingError, match="no layer 'body'"):
        Taps(model, ["body"])
    with pytest.raises(ls.SettingError, match="0: the layer is not called"):
        Taps(model, ["0"]).take()


@pytest.fixture(scope="module")
def task():
    generator = np.random.default_rng(0)
    pixels, labels = generator.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8), np.arange(60) % 3
    return ls.Task.from_arrays(pixels, labels, pixels[:12], labels[:12])


def _network(width):
    torch.manual_seed(width)
    layers = [nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(
        *layers, nn.Conv2d(width, 6, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    )


def test_a_student_learns_from_all_transfers_and_keeps_no_trace_of_them(task) -> None:
    teacher, student = _network(12), _network(4)
    transfers = tuple(getattr(ls.transfers, name)() for name in TRANSFERS)
    step = ls.Train(epochs=3, batch_size=18, teacher=(teacher, "original", "self"), transfers=transfers, keep="last")
    outcome = step.apply(student, ls.Context(task, original=_network(8)))
    losses = [one["loss"] for one in outcome.measurements["history"]]
    assert losses[-1] < losses[0]
    assert [name for name, _ in outcome.model.named_parameters()] == [name for name, _ in student.named_parameters()]
    assert not any(one._forward_hooks for one in outcome.model.modules())
    named = ls.Train(epochs=1, teacher=teacher, transfers=(ls.transfers.FeatureHints(layers={"2": "1"}),))
    assert named.apply(student, ls.Context(task)).model[0].weight.isfinite().all()


def test_the_network_as_it_came_in_can_be_the_teacher(task) -> None:
    student = _network(4)
    frozen = {name: one.clone() for name, one in student.state_dict().items()}
    step = ls.Train(epochs=1, batch_size=18, teacher="self", alpha=1.0, keep="last", augmentation="none")
    outcome = step.apply(student, ls.Context(task))
    assert step.requires() == (ls.Need.TASK,)
    assert all(torch.equal(one, frozen[name]) for name, one in student.state_dict().items())
    # What it learns is only itself under batch statistics, so it hardly moves beside what the labels would do.
    by_labels = ls.Train(epochs=1, batch_size=18, keep="last", augmentation="none").apply(student, ls.Context(task))
    moved = [float((one.model[8].weight - student[8].weight).detach().norm()) for one in (outcome, by_labels)]
    assert moved[0] < moved[1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ls.transfers.SoftTargets(temperature=0.0), "temperature is 0.0"),
        (lambda: ls.transfers.AttentionTransfer(weight=-1.0), "weight is -1.0"),
        (lambda: ls.transfers.Relations(distances=0.0, angles=0.0), "distances is 0.0, angles 0.0"),
        (lambda: ls.Train(epochs=1, transfers=(ls.transfers.SoftTargets(),)), "transfers need a teacher"),
        (
            lambda: ls.Train(epochs=1, teacher="self", temperature=2.0, transfers=(ls.transfers.SoftTargets(),)),
            "temperatures of their own",
        ),
    ],
)
def test_settings_out_of_range_are_refused(make, message) -> None:
    with pytest.raises(ls.SettingError, match=message):
        make()


def test_transfers_are_written_to_recipes() -> None:
    step = ls.Train(
        epochs=1,
        teacher=("original", "self"),
        transfers=(ls.transfers.FeatureHints(layers={"a": "b"}), ls.transfers.DecoupledTargets(others=2.0)),
    )
    assert ls.recipe_from_toml(ls.recipe_to_toml(step)) == ls.Recipe(step)
