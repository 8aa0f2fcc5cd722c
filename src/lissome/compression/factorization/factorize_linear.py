"""Write fully connected layers as two thin ones."""

from dataclasses import dataclass

from torch import nn

from lissome.compression.factorization.candidate import Method
from lissome.compression.factorization.factorization import Factorization
from lissome.core.context import Context
from lissome.core.step import Change, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorizeLinear(Factorization, Step):
    """Replace fully connected layers by two of few channels between: W = U V, by singular values.

    A layer is split only where the two cost less than the one.

    Args:
        ranks: How the rank is chosen: `Energy(share)` of each layer, `Vbmf()` by what stands out of noise, or
            `CostShare(keep)` for the whole network.
        objective: What must become less: "macs", or a table of measured times (`measure_factors`).
        multiple_of: Ranks are multiples of this, ≥ 1. Default 8.
        images: Training images on which the *outputs* of each layer are brought near, by the eigenvectors of their
            covariance; 0, the default, brings the weights near and needs no data.
        skip: Patterns of layer paths that stay.

    Measurements:
        As of `FactorizeConvs`.

    Raises:
        SettingError: As `FactorizeConvs`.

    Source:
        Denton et al. 2014, Exploiting Linear Structure Within Convolutional Networks for Efficient Evaluation,
        arXiv:1404.0736, section 3.2; with images Zhang et al. 2016, arXiv:1505.06798, section 3.1.

    Example:
        >>> import torch
        >>> from lissome.compression.factorization.ranks import CostShare
        >>> network, context = nn.Sequential(nn.Linear(128, 64)), Context(example=torch.zeros(1, 128))
        >>> outcome = FactorizeLinear(ranks=CostShare(keep=0.4)).apply(network, context)
        >>> outcome.notes[0].reason
        'rank 16: 8192 MACs become 3072'
    """

    def change(self, model: nn.Module, context: Context) -> Change:
        """Split fully connected layers of the copy."""
        return self.factorized(model, context)

    def _target(self) -> tuple[Method, type[nn.Module]]:
        return "channel", nn.Linear
