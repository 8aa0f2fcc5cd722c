import math

import pytest
import torch
from torch import nn

from lissome.core.errors import BadModelError
from lissome.training.distillation import Teacher, soft_target_loss
from lissome.training.objective import Objective

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
    teacher = Teacher(network, images, torch.float32)
    assert network.training and network[0].weight.is_contiguous()
    answer = teacher(images)
    assert torch.allclose(answer, network.eval()(images), atol=1e-6)
    assert not answer.requires_grad and not answer.is_inference()
    network[3].weight.data.zero_()
    assert torch.equal(teacher(images), answer)


def test_bfloat16_answers_are_close_and_float32() -> None:
    network, images = nn.Sequential(nn.Flatten(), nn.Linear(48, 5)), torch.randn(2, 3, 4, 4)
    answer = Teacher(network, images, torch.bfloat16)(images)
    exact = network(images)
    assert answer.dtype == torch.float32
    assert torch.allclose(answer, exact, atol=0.05) and not torch.equal(answer, exact)


def test_the_objective_weighs_both_losses() -> None:
    labels = torch.tensor([0, 1])
    objective = Objective(
        hard=nn.functional.cross_entropy,
        dtype=torch.float32,
        teacher=lambda images: TEACHER,
        temperature=2.0,
        alpha=0.75,
    )
    soft, hard = soft_target_loss(STUDENT, TEACHER, 2.0), nn.functional.cross_entropy(STUDENT, labels)
    assert objective(nn.Identity(), STUDENT, labels).item() == pytest.approx((0.75 * soft + 0.25 * hard).item())


def test_a_teacher_of_other_classes_is_refused() -> None:
    objective = Objective(
        hard=nn.functional.cross_entropy, dtype=torch.float32, teacher=lambda images: torch.zeros(2, 7)
    )
    with pytest.raises(BadModelError, match=r"teacher: gives \(7,\), the network \(2,\)"):
        objective(nn.Identity(), STUDENT, torch.tensor([0, 1]))
