"""CIFAR ResNet-20/32/44/56/110 (He et al. 2015, arXiv:1512.03385, Section 4.2).

Idea: each pair of convolutions learns what to ADD to its input; the gradient reaches every layer through the
identity, so that 110 layers still train.

Cost: depth = 6n + 2. Three stages of n blocks at 32², 16², 8² pixels with w, 2w, 4w channels (w = 16): halving the
side and doubling the channels keeps every 3x3 convolution at 9 · w² · 32² MACs (2.36 M), hence
MACs ≈ 6n · 9 · w² · 32², and parameters ≈ 2n · 9 · w² · (1 + 4 + 16), dominated by the last stage.
"""

from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.layers.basic_block import BasicBlock
from lissome.layers.conv_norm_activation import ConvNormActivation
from lissome.layers.initialization import initialize
from lissome.layers.width import scaled_channels


class ResNetCifar(nn.Module):
    """ResNet of depth 6n + 2 for 32x32 images.

    Args:
        depth: 20, 32, 44, 56, 110 in the paper; any 6n + 2 works.
        shortcut: "pad" (the paper's option A) or "projection" (option B).
        classes: Number of outputs.
        width: Multiplier of the 16, 32, 64 channels, > 0.
        input_channels: Channels of the image.

    Raises:
        SettingError: `depth` is not 6n + 2.

    Shape:
        (N, input_channels, 32, 32) to (N, classes); other sizes work too.

    Example:
        >>> sum(p.numel() for p in ResNetCifar(depth=20).parameters())
        269722
    """

    def __init__(
        self,
        *,
        depth: int = 20,
        shortcut: Literal["pad", "projection"] = "pad",
        classes: int = 10,
        width: float = 1.0,
        input_channels: int = 3,
    ) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise SettingError(f"depth is {depth}", where="ResNetCifar", fix="choose 6n + 2: 20, 32, 44, 56, 110")
        base = scaled_channels(16, width)
        self.stem = ConvNormActivation(input_channels, base, 3)
        stages: OrderedDict[str, nn.Module] = OrderedDict()
        channels = base
        for stage in range(3):
            out_channels = base * 2**stage
            blocks: list[nn.Module] = []
            for index in range((depth - 2) // 6):
                stride = 2 if stage and index == 0 else 1
                blocks.append(BasicBlock(channels, out_channels, stride=stride, shortcut=shortcut))
                channels = out_channels
            stages[f"stage{stage + 1}"] = nn.Sequential(*blocks)
        self.stages = nn.Sequential(stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.classifier(self.flatten(self.pool(self.stages(self.stem(x)))))
        return logits
