"""What every way to learn from a teacher has in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from lissome.core.errors import SettingError


@dataclass(frozen=True, slots=True)
class Answer:
    """What a network says of a batch, and what it holds on the way there.

    Args:
        logits: (N, classes).
        features: Maps of the layers that are looked at, (N, C, H, W) each.
    """

    logits: Tensor
    features: tuple[Tensor, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(ABC):
    """A loss of a student beside its teacher.

    Args:
        weight: What the loss is multiplied by, > 0.

    Raises:
        SettingError: `weight` is not above 0.
    """

    weight: float = 1.0

    def __post_init__(self) -> None:
        require_positive(self, "weight")

    def adapters(self, student: Sequence[torch.Size], teacher: Sequence[torch.Size]) -> nn.ModuleList:
        """Return layers that are trained with the student and thrown away; most need none.

        Args:
            student: Shapes of the student's features.
            teacher: Of the teacher's.
        """
        del student, teacher
        return nn.ModuleList()

    @abstractmethod
    def loss(self, student: Answer, teacher: Answer, labels: Tensor, adapters: nn.ModuleList) -> Tensor:
        """Return a scalar ≥ 0; no gradient flows into the teacher.

        Args:
            student: Its answer.
            teacher: The teacher's, to the same images.
            labels: Class numbers (N,), or the share of each class (N, classes).
            adapters: What `adapters` returned.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureTransfer(Transfer):
    """A transfer that looks at feature maps.

    Args:
        layers: Layers of the student and, for each, the teacher's beside it, by their paths; empty: for each size of
            map that both have, the last layer of it.
    """

    layers: Mapping[str, str] = field(default_factory=dict)


def class_numbers(labels: Tensor) -> Tensor:
    """Return labels as class numbers, (N,); of shares the greatest."""
    return labels.argmax(dim=1) if labels.ndim > 1 else labels


def require_positive(settings: object, *names: str) -> None:
    """Refuse numbers that are not above 0.

    Raises:
        SettingError: Names the first.
    """
    for name in names:
        if not getattr(settings, name) > 0:
            raise SettingError(
                f"{name} is {getattr(settings, name)}", where=type(settings).__name__, fix="choose a value above 0"
            )
