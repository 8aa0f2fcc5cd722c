"""Learning from a teacher's soft answers."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import convert_conv2d_weight_memory_format

from lissome.training.memory_layout import fastest_layout


def soft_target_loss(student: Tensor, teacher: Tensor, temperature: float = 4.0) -> Tensor:
    """Return how far the student's softened answers are from the teacher's.

        T² · KL(softmax(teacher / T) ‖ softmax(student / T)), the mean over the batch

    The factor T² keeps the gradient's size independent of the temperature.

    Args:
        student: Logits, (N, classes).
        teacher: Logits, (N, classes); no gradient flows into them.
        temperature: > 0; higher shows more of what the teacher thinks of the wrong classes.

    Returns:
        A scalar, ≥ 0.

    Source:
        Hinton, Vinyals and Dean 2015, arXiv:1503.02531, Section 2.

    Example:
        >>> logits = torch.tensor([[1.0, 2.0]])
        >>> soft_target_loss(logits, logits).item()
        0.0
    """
    log_student = functional.log_softmax(student / temperature, dim=1)
    log_teacher = functional.log_softmax(teacher.detach() / temperature, dim=1)
    divergence = functional.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    return divergence * temperature**2


class Teacher:
    """A frozen copy of a network that answers as fast as it can.

    Args:
        network: Copied; the one given stays as it is.
        images: A batch like those to come, to choose the memory layout by.
        dtype: What the layers compute in.

    Raises:
        ShapeError: The network does not take such images.

    Example:
        >>> images = torch.ones(1, 3, 2, 2)
        >>> Teacher(nn.Flatten(), images, torch.float32)(images).shape
        torch.Size([1, 12])
    """

    def __init__(self, network: nn.Module, images: Tensor, dtype: torch.dtype) -> None:
        self._layout = fastest_layout(network, images)
        self._network = convert_conv2d_weight_memory_format(copy.deepcopy(network).eval(), self._layout)
        self._dtype = dtype

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits, float32."""
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self._dtype == torch.bfloat16):
            answer: Tensor = self._network(images.contiguous(memory_format=self._layout))
        # A tensor of inference mode cannot be kept for a backward pass; its copy can.
        return answer.clone().float()
