"""Several augmentations, one after the other."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lissome.core.errors import SettingError
from lissome.data.augmentation import Augmentation


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Augmentation):
    """Augmentations in the order in which they happen. A recipe's TOML may hold one.

    Args:
        augmentations: At least one.

    Raises:
        SettingError: There is none.

    Example:
        >>> from lissome.data.augmentations.cutout import Cutout
        >>> from lissome.data.augmentations.flip import Flip
        >>> policy = Policy(augmentations=(Flip(), Cutout(side=0.25)))
        >>> policy(torch.rand(2, 3, 8, 8), torch.tensor([0, 1]), torch.Generator().manual_seed(0))[0].shape
        torch.Size([2, 3, 8, 8])
    """

    augmentations: tuple[Augmentation, ...]

    def __post_init__(self) -> None:
        if not self.augmentations:
            raise SettingError(
                "there are no augmentations", where="Policy", fix='give some, or Train(augmentation="none")'
            )

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the batch after all of them."""
        for one in self.augmentations:
            images, labels = one(images, labels, generator)
        return images, labels
