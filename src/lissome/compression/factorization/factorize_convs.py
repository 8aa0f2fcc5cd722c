"""Write convolutions as chains of smaller ones."""

from dataclasses import dataclass
from typing import get_args

from torch import nn

from lissome.compression.factorization.candidate import Method
from lissome.compression.factorization.factorization import Factorization
from lissome.core.context import Context, Need
from lissome.core.errors import SettingError
from lissome.core.step import Change, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorizeConvs(Factorization, Step):
    """Replace convolutions by chains of two to four smaller ones that compute nearly the same.

    A layer is split only where the chain costs less than the layer by itself: fewer multiply-adds, or with a table of
    measured times (`measure_factors`) less time on that engine. Grouped and depthwise convolutions stay.

    Args:
        method: "channel": k x k to R channels, then 1 x 1; "spatial": k x 1, then 1 x k; "tucker": 1 x 1, k x k,
            1 x 1; "cp": 1 x 1, k x 1 and 1 x k depthwise, 1 x 1.
        ranks: How R is chosen: `Energy(share)` of each layer, `Vbmf()` by what stands out of noise, or
            `CostShare(keep)` for the whole network.
        objective: What must become less: "macs", or a table of measured times.
        multiple_of: Ranks are multiples of this, ≥ 1. Default 8.
        images: Training images on which the *outputs* of each layer are brought near, by least squares; 0, the default,
            brings the weights near and needs no data.
        skip: Patterns of layer paths that stay.

    Measurements:
        params_before, params, macs_before, macs; unit, predicted_before and predicted of the objective; layers: for
        each its ranks, what it cost before and after, relative_error of the weights and, with images,
        relative_output_error.

    Raises:
        SettingError: A value is out of its range, a pattern of `skip` matches no layer, the budget cannot be reached,
            CP ranks are asked of `Vbmf`, or the table of times knows not all layers.

    Source:
        Channel: Zhang et al. 2016, arXiv:1505.06798. Spatial: Jaderberg et al. 2014, arXiv:1405.3866. Tucker-2: Kim et
        al. 2016, arXiv:1511.06530. CP: Lebedev et al. 2015, arXiv:1412.6553.

    Example:
        >>> import torch
        >>> network, context = nn.Sequential(nn.Conv2d(32, 64, 3)), Context(example=torch.zeros(1, 32, 8, 8))
        >>> from lissome.compression.factorization.ranks import CostShare
        >>> FactorizeConvs(method="spatial", ranks=CostShare(keep=0.5)).apply(network, context).model[0][0]
        Conv2d(32, 24, kernel_size=(3, 1), stride=(1, 1), bias=False)
    """

    method: Method = "tucker"

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise SettingError(
                f"method is {self.method!r}", where="FactorizeConvs", fix=f"choose of {', '.join(get_args(Method))}"
            )
        Factorization.__post_init__(self)

    def requires(self) -> tuple[Need, ...]:
        """An example input; training images where outputs are to be brought near."""
        return Factorization.requires(self)

    def change(self, model: nn.Module, context: Context) -> Change:
        """Split convolutions of the copy."""
        return self.factorized(model, context)

    def _target(self) -> tuple[Method, type[nn.Module]]:
        return self.method, nn.Conv2d
