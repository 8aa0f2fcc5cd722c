"""Activations by name: what each is, and what it costs on small devices.

    relu          max(0, x)
    leaky_relu    x where x > 0, else 0.1·x                            Darknet's slope
    prelu         x where x > 0, else a·x, a learnt, one a channel
    relu6         min(6, max(0, x))                                    its range is known, which integers like
    selu          1.0507·x where x > 0, else 1.0507·1.6733·(eˣ - 1)    keeps mean 0 and variance 1 by itself
    swish         x·σ(x)                                               also called SiLU
    hard_swish    x·min(6, max(0, x + 3)) / 6                          swish without an exponential
    mish          x·tanh(ln(1 + eˣ))

The first four cost a comparison and a product. Those with an exponential can cost as much as a 1x1 convolution on a
device without vector units; an engine that has no kernel for mish computes it of three operators.
"""

from collections.abc import Callable, Mapping

from torch import nn

from lissome.core.names import choose
from lissome.layers.cross_stage_partial import leaky_relu


def _prelu(channels: int) -> nn.Module:
    return nn.PReLU(channels)


ACTIVATIONS: Mapping[str, Callable[[int], nn.Module]] = {
    "relu": lambda channels: nn.ReLU(),
    "leaky_relu": lambda channels: leaky_relu(),
    "prelu": _prelu,
    "relu6": lambda channels: nn.ReLU6(),
    "selu": lambda channels: nn.SELU(),
    "swish": lambda channels: nn.SiLU(),
    "hard_swish": lambda channels: nn.Hardswish(),
    "mish": lambda channels: nn.Mish(),
}
"""Each of the channels it will see, which PReLU alone needs."""


def activation(name: str, channels: int = 1) -> nn.Module:
    """Return a new activation.

    Args:
        name: One of `ACTIVATIONS`.
        channels: What it will see; PReLU has a slope for each.

    Raises:
        UnknownNameError: There is no such activation.

    Source:
        Leaky: Maas et al. 2013; PReLU: He et al. 2015, arXiv:1502.01852, Equation 1; ReLU6: Howard et al. 2017,
        arXiv:1704.04861; SELU: Klambauer et al. 2017, arXiv:1706.02515, Equation 2; swish: Ramachandran et al. 2017,
        arXiv:1710.05941; hard swish: Howard et al. 2019, arXiv:1905.02244, Section 5.2; mish: Misra 2019,
        arXiv:1908.08681, Equation 1.

    Example:
        >>> import torch
        >>> activation("hard_swish")(torch.tensor([-4.0, 0.0, 3.0])).tolist()
        [-0.0, 0.0, 3.0]
    """
    return choose(ACTIVATIONS, name, "activation")(channels)
