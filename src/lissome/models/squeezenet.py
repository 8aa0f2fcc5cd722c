"""SqueezeNet 1.0 and 1.1 (Iandola et al. 2016, arXiv:1602.07360).

Idea: AlexNet's accuracy with 50 times fewer parameters: squeeze channels by 1x1 before the 3x3, make half of the
filters 1x1, pool late, and let a 1x1 convolution with a global mean be the classifier.

Cost of a fire module, C in, S squeezed, E out: H·W·(C·S + 5·S·E) MACs. The stem and the late pooling are what costs:
version 1.1 has a 3x3 instead of a 7x7 stem and pools earlier, 2.3 times fewer MACs for the same parameters.
"""

from collections import OrderedDict
from typing import Literal

from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.layers.fire_module import FireModule
from lissome.layers.initialization import initialize

# (channels in, squeezed, of each branch) of fire2 to fire9, Table 1 of the paper.
FIRES = (
    (64, 16, 64),
    (128, 16, 64),
    (128, 32, 128),
    (256, 32, 128),
    (256, 48, 192),
    (384, 48, 192),
    (384, 64, 256),
    (512, 64, 256),
)
# Fire modules in front of which the network pools; version 1.1 pools earlier.
POOLED_BEFORE = {"1.0": (2, 5, 9), "1.1": (2, 4, 6)}


class SqueezeNet(nn.Module):
    """SqueezeNet without bypass.

    Args:
        version: "1.0" (the paper's) or "1.1" (the authors' cheaper one).
        classes: Number of outputs.
        input_channels: Channels of the image.
        small_input: A 3x3 stem of stride 1 without pooling after it, for images of about 32x32.
        dropout: Share of features dropped before the classifier in training, [0, 1).

    Raises:
        SettingError: There is no such version.

    Shape:
        (N, input_channels, H, W) to (N, classes).

    Example:
        >>> sum(p.numel() for p in SqueezeNet(version="1.1").parameters())
        1235496
    """

    def __init__(
        self,
        *,
        version: Literal["1.0", "1.1"] = "1.1",
        classes: int = 1000,
        input_channels: int = 3,
        small_input: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if version not in POOLED_BEFORE:
            raise SettingError(f"version is {version!r}", where="SqueezeNet", fix="choose '1.0' or '1.1'")
        stem_channels, kernel = (96, 7) if version == "1.0" else (64, 3)
        stem = (
            nn.Conv2d(input_channels, stem_channels, 3, padding=1)
            if small_input
            else nn.Conv2d(input_channels, stem_channels, kernel, 2)
        )
        layers: OrderedDict[str, nn.Module] = OrderedDict(stem=stem, activation=nn.ReLU())
        for number, (in_channels, squeezed, branch) in enumerate(FIRES, start=2):
            if number in POOLED_BEFORE[version] and not (small_input and number == 2):
                layers[f"pool{number}"] = nn.MaxPool2d(3, 2, ceil_mode=True)
            layers[f"fire{number}"] = FireModule(stem_channels if number == 2 else in_channels, squeezed, branch)
        self.features = nn.Sequential(layers)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Conv2d(512, classes, 1)
        self.activation = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        scores = self.activation(self.classifier(self.dropout(self.features(x))))
        logits: Tensor = self.flatten(self.pool(scores))
        return logits
