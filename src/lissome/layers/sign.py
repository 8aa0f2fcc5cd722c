"""The sign of an activation, with a gradient that passes straight through."""

import torch
from torch import Tensor

from lissome.core.module_graph import LeafModule


class Sign(LeafModule):
    """Gives 1 where the input is at least 0, else -1; the gradient passes where the input is in [-1, 1].

    Shape:
        Any; kept.

    Source:
        Hubara et al. 2016, Binarized neural networks, arXiv:1602.02830, section 1.3, equation 4.

    Example:
        >>> x = torch.tensor([-2.0, -0.5, 0.0], requires_grad=True)
        >>> output = Sign()(x)
        >>> output.sum().backward()
        >>> output.tolist(), x.grad.tolist()
        ([-1.0, -1.0, 1.0], [0.0, 1.0, 1.0])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return signs."""
        signs = torch.where(x >= 0, 1.0, -1.0)
        passed = x.clamp(-1, 1)
        return passed + (signs - passed).detach() if x.requires_grad else signs
