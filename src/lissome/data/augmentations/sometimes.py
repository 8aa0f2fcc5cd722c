"""What augmentations of single images have in common: they happen to some of a batch."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lissome.core.errors import SettingError
from lissome.data.augmentation import Augmentation
from lissome.data.augmentations.objects import has_objects, with_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Sometimes(Augmentation):
    """Changes each image of a batch with some chance.

    Args:
        chance: Share of the images that are changed, [0, 1].

    Raises:
        SettingError: A setting is out of its range.
    """

    chance: float = 1.0

    def __post_init__(self) -> None:
        self.require({"chance": (0 <= self.chance <= 1, "in [0, 1]")})

    def require(self, ranges: Mapping[str, tuple[bool, str]]) -> None:
        """Refuse settings out of their range.

        Args:
            ranges: For each name whether it is right, and what would be.
        """
        for name, (is_right, wanted) in ranges.items():
            if not is_right:
                raise SettingError(
                    f"{name} is {getattr(self, name)}", where=type(self).__name__, fix=f"choose a value {wanted}"
                )

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the batch with some images changed."""
        (chosen,) = (torch.rand(len(images), generator=generator) < self.chance).nonzero(as_tuple=True)
        if len(chosen) == len(images):
            return self.change(images, labels, generator)
        if not len(chosen):
            return images, labels
        changed, changed_labels = self.change(images[chosen], labels[chosen], generator)
        images = images.index_copy(0, chosen, changed)
        if has_objects(labels):
            most = max(labels.shape[1], changed_labels.shape[1])
            labels, changed_labels = with_rows(labels, most), with_rows(changed_labels, most)
        return images, labels.index_copy(0, chosen, changed_labels)

    @abstractmethod
    def change(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the images changed, each of them."""


def draw(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Return one number an image, evenly between two, (count, 1, 1, 1).

    Example:
        >>> draw(2, 3.0, 3.0, torch.Generator()).flatten().tolist()
        [3.0, 3.0]
    """
    return low + (high - low) * torch.rand(count, 1, 1, 1, generator=generator)
