"""FastestDet (dog-qiuqiu, github.com/dog-qiuqiu/FastestDet, BSD-3): one map, no anchors, 244,490 weights.

Idea: three maps of a ShuffleNetV2 are brought to stride 16 (averages of the finer, repeats of the coarser one) and laid
side by side, and one head predicts from it. Chains of one, two and three depthwise 5x5 convolutions side by side
stand for the receptive fields that a pyramid of maps would have. There is nothing to merge and only one map to decode.

The head's last convolutions are followed by batch normalisation, which folds into them.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.initialization import initialize
from lissome.models.shufflenet_v2 import CHANNELS, ShuffleNetV2

STAGES = (4, 12)
"""Where the second and the third stage of ShuffleNetV2's units begin."""


class ParallelChains(nn.Module):
    """Chains of one, two and three depthwise 5x5 convolutions side by side, merged and added to what came in.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the output.

    Shape:
        (N, in_channels, H, W) to (N, channels, H, W).
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.narrow = ConvNormActivation(in_channels, channels, 1)
        self.chains = nn.ModuleList(
            nn.Sequential(*(ConvNormActivation(channels, channels, 5, groups=channels) for _ in range(length)))
            for length in (1, 2, 3)
        )
        self.merge = ConvNormActivation(3 * channels, channels, 1, activation=None)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of the merged chains and the narrowed input."""
        x = self.narrow(x)
        merged: Tensor = self.merge(torch.cat([chain(x) for chain in self.chains], 1))
        return (x + merged).relu()


def _branch(channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        ConvNormActivation(channels, channels, 5, groups=channels),
        ConvNormActivation(channels, out_channels, 1, activation=None),
    )


class FastestDet(nn.Module):
    """The detector. It returns raw scores; `detection.heads.FastestDetHead` makes boxes of them.

    Args:
        classes: Classes of objects.
        width: Of the ShuffleNetV2: 0.5, 1, 1.5 or 2.
        input_channels: Channels of the image.

    Raises:
        SettingError: ShuffleNetV2 has no such width.

    Shape:
        (N, input_channels, H, W), H and W multiples of 32, to (N, 5 + classes, H / 16, W / 16): objectness, x, y,
        width, height, classes, before any sigmoid.

    Example:
        >>> FastestDet(classes=4)(torch.zeros(1, 3, 64, 96)).shape
        torch.Size([1, 9, 4, 6])
        >>> sum(one.numel() for one in FastestDet().parameters())
        244490
    """

    def __init__(self, classes: int = 80, *, width: float = 0.5, input_channels: int = 3) -> None:
        super().__init__()
        backbone = ShuffleNetV2(width=width, input_channels=input_channels, authors_form=True)
        units = list(backbone.get_submodule("units").children())
        second, third = STAGES
        self.stem = nn.Sequential(backbone.get_submodule("stem"), backbone.get_submodule("stem_pool"))
        self.fine = nn.Sequential(*units[:second])
        self.middle = nn.Sequential(*units[second:third])
        self.coarse = nn.Sequential(*units[third:])
        *stages, _ = CHANNELS[width]
        channels = stages[1]
        self.average = nn.AvgPool2d(3, 2, 1)
        self.context = ParallelChains(sum(stages), channels)
        self.shared = ConvNormActivation(channels, channels, 1)
        self.objectness, self.box, self.category = (_branch(channels, count) for count in (1, 4, classes))
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the raw scores of all places."""
        fine = self.fine(self.stem(x))
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        side_by_side = [self.average(fine), middle, functional.interpolate(coarse, scale_factor=2.0)]
        shared = self.shared(self.context(torch.cat(side_by_side, 1)))
        return torch.cat([self.objectness(shared), self.box(shared), self.category(shared)], 1)


def take_rgb(model: FastestDet) -> FastestDet:
    """Turn a network that was trained on BGR pixels, as the published weights were, into one for RGB; return it.

    Args:
        model: Changed in place: the input channels of its first convolution change places.

    Example:
        >>> model = FastestDet().eval()
        >>> image = torch.rand(1, 3, 32, 32)
        >>> expected = model(image.flip(1))
        >>> torch.allclose(take_rgb(model)(image), expected, atol=1e-5)
        True
    """
    first = next(layer for layer in model.modules() if isinstance(layer, nn.Conv2d))
    with torch.no_grad():
        first.weight.copy_(first.weight.flip(1))
    return model
