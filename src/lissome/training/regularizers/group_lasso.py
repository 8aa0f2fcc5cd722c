"""Group lasso: whole filters are pulled towards zero, not single weights."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lissome.core.errors import SettingError
from lissome.training.regularizers.regularizer import Penalty, Regularizer, chosen_layers

CONVOLUTIONS = (nn.Conv2d, nn.Conv1d, nn.Conv3d)
_SMALLEST_NORM = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLasso(Regularizer):
    """Add ``strength · Σ √n · ‖w‖₂`` over the filters of convolutions to the loss; n is the number of weights of one.

    For networks without batch normalisation, or as the alternative to `L1OnBatchNormScale`; prune by ``scores.L2()``
    afterwards. Where batch normalisation follows, its scale undoes the size of a filter, so the pull must be set
    against that of the weight decay.

    Args:
        strength: λ, ≥ 0; 0 only watches the filters.
        only: Patterns of layer paths; none takes every convolution.

    Raises:
        SettingError: A value is out of its range, the network has no convolution, or a pattern matches none.

    Source:
        Yuan and Lin 2006, "Model selection and estimation in regression with grouped variables", equation 2.1; Wen et
        al. 2016, arXiv:1608.03665, equation 2, on filters.

    Example:
        >>> layer = nn.Conv2d(1, 1, 2, bias=False)
        >>> nn.init.constant_(layer.weight, 3.0).grad = torch.zeros(1, 1, 2, 2)
        >>> GroupLasso(strength=0.5).build(layer).add_gradient()
        >>> layer.weight.grad.flatten().tolist()
        [0.5, 0.5, 0.5, 0.5]
    """

    strength: float = 1e-4
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.strength < 0:
            raise SettingError(f"strength is {self.strength}", where="GroupLasso", fix="choose 0 or more")

    def build(self, model: nn.Module) -> Penalty:
        """Return the penalty."""
        layers = chosen_layers(model, CONVOLUTIONS, self.only, "GroupLasso")
        return _FilterPenalty([one.weight for one in layers if isinstance(one.weight, nn.Parameter)], self.strength)


class _FilterPenalty(Penalty):
    def __init__(self, weights: list[nn.Parameter], strength: float) -> None:
        self._weights, self._strength = weights, strength

    def add_gradient(self) -> None:
        if not self._strength:
            return
        for weight in self._weights:
            if weight.grad is not None:
                filters = weight.detach().flatten(1)
                norms = filters.norm(dim=1, keepdim=True).clamp_min(_SMALLEST_NORM)
                pull = filters / norms * filters.shape[1] ** 0.5
                weight.grad.add_(pull.view_as(weight), alpha=self._strength)

    def magnitudes(self) -> Tensor:
        """Return the root mean square weight of each filter, so that filters of different size can be compared."""
        return torch.cat([one.detach().flatten(1).pow(2).mean(dim=1).sqrt() for one in self._weights])
