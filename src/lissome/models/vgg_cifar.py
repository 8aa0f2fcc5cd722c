"""VGG-16/19 for CIFAR with one linear layer, as network slimming prunes it (Liu et al. 2017, arXiv:1708.06519).

Idea: VGG's convolutions with batch normalisation, whose scales serve as channel importance; the last pooling and the
4096-wide linear layers go, since four halvings leave 2x2 pixels.

Cost: 9·H·W·C·C' MACs a layer. The eight 512-channel layers of VGG-19 hold 17.7 M of its 20.0 M parameters, most of
them superfluous for ten classes: the reason it prunes so well.
"""

from torch import Tensor, nn

from lissome.layers.initialization import initialize
from lissome.layers.width import scaled_channels
from lissome.models.vgg import CHANNELS, vgg_features


class VGGCifar(nn.Module):
    """VGG with batch normalisation, global mean, and one linear layer.

    Args:
        depth: 11, 13, 16 or 19, by the paper's count of the ImageNet form.
        classes: Number of outputs.
        input_channels: Channels of the image.
        width: Multiplier of the channel counts, > 0.

    Raises:
        SettingError: There is no such depth.

    Shape:
        (N, input_channels, 32, 32) to (N, classes).

    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     sum(p.numel() for p in VGGCifar(depth=19).parameters())
        20035018
    """

    def __init__(self, *, depth: int = 19, classes: int = 10, input_channels: int = 3, width: float = 1.0) -> None:
        super().__init__()
        features = vgg_features(depth, normalized=True, input_channels=input_channels, bias=False, width=width)
        self.features = features[:-1]  # the mean below takes the place of the fifth pooling
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(scaled_channels(CHANNELS[-1], width), classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.classifier(self.flatten(self.pool(self.features(x))))
        return logits
