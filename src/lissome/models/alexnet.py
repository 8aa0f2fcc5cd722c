"""AlexNet, the one-column form (Krizhevsky 2014, arXiv:1404.5997; Krizhevsky et al. 2012).

Idea: five convolutions and three linear layers, ReLU, dropout; the network that started it.

Cost: the convolutions hold 4 % of the parameters and take 92 % of the MACs; the linear layers the reverse
(6·6·256·4096 = 37.7 M weights in the first alone), so that at batch 1 reading weights is most of the time.
"""

from torch import Tensor, nn

from lissome.layers.initialization import initialize


class AlexNet(nn.Module):
    """AlexNet with 64, 192, 384, 256, 256 channels, without local response normalisation.

    Args:
        classes: Number of outputs.
        input_channels: Channels of the image.
        small_input: A 3x3 stem of stride 1 instead of 11x11 of stride 4, for images of about 32x32.
        dropout: Share of features dropped before the first two linear layers in training, [0, 1).

    Shape:
        (N, input_channels, 224, 224), or (N, input_channels, 32, 32) with `small_input`, to (N, classes).

    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     sum(p.numel() for p in AlexNet().parameters())
        61100840
    """

    def __init__(
        self, *, classes: int = 1000, input_channels: int = 3, small_input: bool = False, dropout: float = 0.5
    ) -> None:
        super().__init__()
        stem = nn.Conv2d(input_channels, 64, 3, 1, 1) if small_input else nn.Conv2d(input_channels, 64, 11, 4, 2)
        side = 3 if small_input else 6
        self.features = nn.Sequential(
            stem,
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
        )
        self.pool = nn.AdaptiveAvgPool2d(side)
        self.flatten = nn.Flatten()
        self.hidden = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * side * side, 4096),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(4096, classes)
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.classifier(self.hidden(self.flatten(self.pool(self.features(x)))))
        return logits
