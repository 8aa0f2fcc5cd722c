"""Shortcut without parameters: take every stride-th pixel and surround the channels with zeros.

    y[p + c] = x[c, ::s, ::s]  for c < C,  0 elsewhere,  p = (C' - C) / 2

Cost: no parameter and no MAC. Half of the output channels at a stage change are zero.
"""

from torch import Tensor, nn
from torch.nn import functional

from lissome.core.errors import SettingError


class PadShortcut(nn.Module):
    """Identity shortcut that reaches more channels by zero padding ("option A").

    Args:
        in_channels: C, channels of the input.
        out_channels: C', channels of the output; C' - C is even and not negative.
        stride: Step between the pixels kept; >= 1.

    Raises:
        SettingError: `out_channels` is less than `in_channels`, or their difference is odd.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ⌈H / stride⌉, ⌈W / stride⌉).

    Source:
        He et al. 2015, arXiv:1512.03385, Section 4.1, option A.

    Example:
        >>> import torch
        >>> PadShortcut(1, 3, stride=2)(torch.ones(1, 1, 2, 2)).flatten().tolist()
        [0.0, 1.0, 0.0]
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        added = out_channels - in_channels
        if added < 0 or added % 2:
            raise SettingError(
                f"{in_channels} channels cannot be padded evenly to {out_channels}",
                where="PadShortcut",
                fix="use an even number of added channels",
            )
        self.margin = added // 2
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return the thinned and padded input."""
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.margin, self.margin))
