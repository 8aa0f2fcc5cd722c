"""A detector whose boxes come out decoded, for engines that are to do that themselves."""

from torch import Tensor, nn

from lissome.detection.heads.head import Head


class Decoded(nn.Module):
    """A network with its head's decoding behind it: corners and scores instead of raw numbers.

    It exports like any other network, and is compared as such. Suppression is not in it; `append_suppression` puts it
    behind an ONNX file. For ncnn leave decoding out: its boxes come from `detect` all the same.

    Args:
        network: The detector.
        head: What its output means.

    Shape:
        (N, C, H, W) to corners (N, places, 4) and scores (N, places, classes).

    Example:
        >>> import torch
        >>> from lissome.detection.detectors import create_detector
        >>> boxes, scores = Decoded(*create_detector("fastestdet", sides=(32, 32)))(torch.zeros(1, 3, 32, 32))
        >>> boxes.shape
        torch.Size([1, 4, 4])
    """

    def __init__(self, network: nn.Module, head: Head) -> None:
        super().__init__()
        self.network, self.head = network, head
        self.count = 0
        for place in head.places():
            self.register_buffer(f"place{self.count}", place)
            self.count += 1

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return boxes and scores of all places."""
        places = tuple(self.get_buffer(f"place{number}") for number in range(self.count))
        return self.head.decode_at(self.network(x), places)
