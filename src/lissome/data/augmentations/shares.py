"""How much of each of two images there is in a mixture."""

import torch
from torch import Tensor
from torch.distributions import Beta

from lissome.core.seeded import seeded


def draw_beta(count: int, concentration: float, generator: torch.Generator) -> Tensor:
    """Return shares from the beta distribution with both parameters alike, never less than a half; 1 for 0.

    Of l and 1 - l the larger is returned: a mixture's partner is drawn at random, so nothing is lost, and each image is
    mostly itself.

    Shape:
        Returns (count,), in [0.5, 1].

    Example:
        >>> draw_beta(2, 0.0, torch.Generator()).tolist()
        [1.0, 1.0]
    """
    if concentration == 0:
        return torch.ones(count)
    # torch's distributions draw from the global generator alone; the caller's is left as it was.
    with seeded(int(torch.randint(2**62, (), generator=generator))):
        share = Beta(concentration, concentration).sample((count,))
    return torch.maximum(share, 1 - share)
