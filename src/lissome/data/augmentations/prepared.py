"""Give each augmentation what it wants: pixels or pre-processed images, class numbers or shares."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lissome.core.context import BatchTransform
from lissome.core.errors import SettingError
from lissome.core.preprocessing import Preprocessing
from lissome.data.augmentation import Augmentation
from lissome.data.augmentations.policy import Policy

_WHITE, _ROUNDING = 255.0, 1e-3


def prepared(augmentation: BatchTransform, preprocessing: Preprocessing, classes: int) -> BatchTransform:
    """Return what does the same to a task's batches; the augmentation itself where it takes them as they are.

    Args:
        augmentation: One, or a policy.
        preprocessing: What was done to the images.
        classes: How many there are.

    Example:
        >>> from lissome.data.augmentations.mix_up import MixUp
        >>> mix = prepared(MixUp(), Preprocessing(channels=3, height=8, width=8), 10)
        >>> mix(torch.rand(4, 3, 8, 8), torch.arange(4), torch.Generator().manual_seed(0))[1].shape
        torch.Size([4, 10])
    """
    flat = _flat(augmentation)
    if not any(one.on_pixels or one.mixes for one in flat):
        return augmentation
    return _Prepared(flat, preprocessing, classes)


def _flat(augmentation: object) -> tuple[Augmentation, ...]:
    if isinstance(augmentation, Policy):
        return tuple(one for part in augmentation.augmentations for one in _flat(part))
    return (augmentation,) if isinstance(augmentation, Augmentation) else ()


@dataclass(frozen=True, slots=True)
class _Prepared:
    augmentations: tuple[Augmentation, ...]
    preprocessing: Preprocessing
    classes: int

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if any(one.mixes for one in self.augmentations) and not labels.is_floating_point():
            labels = functional.one_hot(labels, self.classes).float()
        are_pixels = False
        for one in self.augmentations:
            if one.on_pixels != are_pixels:
                images, are_pixels = self._prepared(images) if are_pixels else self._pixels(images), one.on_pixels
            images, labels = one(images, labels, generator)
        return (self._prepared(images) if are_pixels else images), labels

    def _pixels(self, images: Tensor) -> Tensor:
        mean, std = self._statistics(images)
        pixels = (images * std + mean) * (self.preprocessing.scale / _WHITE)
        low, high = pixels.aminmax()
        if low < -_ROUNDING or high > 1 + _ROUNDING:
            raise SettingError(
                f"pixels reach from {float(low):.2f} to {float(high):.2f} once pre-processing is undone",
                where="augmentation",
                fix="tell the task how its images were pre-processed, or leave changes of colour out",
            )
        return pixels.clamp(0, 1)

    def _prepared(self, pixels: Tensor) -> Tensor:
        mean, std = self._statistics(pixels)
        return (pixels * (_WHITE / self.preprocessing.scale) - mean) / std

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        shape = (1, -1, 1, 1)
        return (
            like.new_tensor(self.preprocessing.mean).reshape(shape),
            like.new_tensor(self.preprocessing.std).reshape(shape),
        )
