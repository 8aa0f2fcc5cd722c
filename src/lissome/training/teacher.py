"""Networks that answer beside a student."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format

from lissome.training.memory_layout import fastest_layout
from lissome.training.taps import Taps
from lissome.training.transfers.transfer import Answer


class Teacher:
    """Frozen copies of one or several networks that answer as fast as they can.

    Args:
        networks: Copied; those given stay as they are. The logits of several are averaged, which is the geometric mean
            of their probabilities.
        images: A batch like those to come, to choose the memory layout by.
        dtype: What the layers compute in.
        taps: Paths of layers of the first network whose maps are shown, too.

    Raises:
        ShapeError: A network does not take such images.
        SettingError: A path names no layer.

    Example:
        >>> images = torch.ones(1, 3, 2, 2)
        >>> Teacher([nn.Flatten()], images, torch.float32)(images).logits.shape
        torch.Size([1, 12])
    """

    def __init__(
        self, networks: Sequence[nn.Module], images: Tensor, dtype: torch.dtype, taps: Sequence[str] = ()
    ) -> None:
        self._layouts = [fastest_layout(one, images) for one in networks]
        self._networks = [
            convert_conv2d_weight_memory_format(copy.deepcopy(one).eval(), layout)
            for one, layout in zip(networks, self._layouts, strict=True)
        ]
        self._taps = Taps(self._networks[0], taps)
        self._dtype = dtype

    def __call__(self, images: Tensor) -> Answer:
        """Return the logits, float32, and the maps of the layers asked for."""
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self._dtype == torch.bfloat16):
            answers = [
                one(images.contiguous(memory_format=layout)).float()
                for one, layout in zip(self._networks, self._layouts, strict=True)
            ]
            logits = torch.stack(answers).mean(dim=0)
        # A tensor of inference mode cannot be kept for a backward pass; its copy can.
        return Answer(logits.clone(), tuple(one.clone().float() for one in self._taps.take()))
