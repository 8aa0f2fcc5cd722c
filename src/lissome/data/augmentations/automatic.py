"""What is done to training images where nobody says what."""

from torch import Tensor

from lissome.data.augment_crop_flip import CropFlip
from lissome.data.augmentation import Augmentation
from lissome.data.augmentations.flip import Flip
from lissome.data.augmentations.objects import has_objects
from lissome.data.augmentations.policy import Policy
from lissome.data.augmentations.scale import Scale

SMALL_IMAGE = 64


def automatic(images: Tensor, labels: Tensor) -> Augmentation:
    """Return the customary augmentation of such a batch.

    Images of classes are cropped and mirrored up to 64 pixels, larger ones only mirrored. Where labels are objects,
    images are drawn larger and smaller, and mirrored, with their boxes.

    Args:
        images: (N, C, H, W).
        labels: As `Augmentation` takes them.

    Source:
        He et al. 2015, arXiv:1512.03385, Section 4.2; for boxes Liu et al. 2015, arXiv:1512.02325, Section 2.2, "Data
        augmentation", and 3.6, in one: windows of the image and the image in a larger frame.

    Example:
        >>> import torch
        >>> automatic(torch.zeros(1, 3, 32, 32), torch.tensor([0]))
        CropFlip(padding=4, flip=True)
    """
    if has_objects(labels):
        return Policy(augmentations=(Scale(), Flip()))
    return CropFlip(padding=4 if max(images.shape[2:]) <= SMALL_IMAGE else 0)
