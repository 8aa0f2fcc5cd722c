"""Augmentations as settings: ``ls.augmentations.MixUp()`` and the like, one a file; images and boxes together."""

from lissome.data.augment_crop_flip import CropFlip
from lissome.data.augmentation import Augmentation
from lissome.data.augmentations.brightness import Brightness
from lissome.data.augmentations.contrast import Contrast
from lissome.data.augmentations.crop import Crop
from lissome.data.augmentations.cut_mix import CutMix
from lissome.data.augmentations.cutout import Cutout
from lissome.data.augmentations.flip import Flip
from lissome.data.augmentations.fourier_mix import FourierMix
from lissome.data.augmentations.grid_mask import GridMask
from lissome.data.augmentations.hide_and_seek import HideAndSeek
from lissome.data.augmentations.hue import Hue
from lissome.data.augmentations.mix_up import MixUp
from lissome.data.augmentations.mosaic import Mosaic
from lissome.data.augmentations.noise import Noise
from lissome.data.augmentations.policy import Policy
from lissome.data.augmentations.random_erasing import RandomErasing
from lissome.data.augmentations.rotate import Rotate
from lissome.data.augmentations.saturation import Saturation
from lissome.data.augmentations.scale import Scale

__all__ = [
    "Augmentation",
    "Brightness",
    "Contrast",
    "Crop",
    "CropFlip",
    "CutMix",
    "Cutout",
    "Flip",
    "FourierMix",
    "GridMask",
    "HideAndSeek",
    "Hue",
    "MixUp",
    "Mosaic",
    "Noise",
    "Policy",
    "RandomErasing",
    "Rotate",
    "Saturation",
    "Scale",
]
