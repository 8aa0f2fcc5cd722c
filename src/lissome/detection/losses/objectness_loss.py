"""Where objects are: the loss of one yes-or-no at each place, of which nearly all are a no."""

from collections.abc import Callable, Mapping
from typing import Literal

from torch import Tensor
from torch.nn import functional

from lissome.core.errors import ShapeError
from lissome.core.names import choose
from lissome.detection.losses.focal import focal_loss
from lissome.detection.losses.hard_negatives import hard_negatives

ObjectnessLoss = Literal["cross_entropy", "focal", "hard_negatives"]


def _entropy(logits: Tensor, wanted: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")


def _of_all(logits: Tensor, wanted: Tensor) -> Tensor:
    return _entropy(logits, wanted).mean()


def _focal(logits: Tensor, wanted: Tensor) -> Tensor:
    return focal_loss(logits, wanted).sum() / (wanted > 0).sum().clamp(min=1)


def _of_hard_ones(logits: Tensor, wanted: Tensor) -> Tensor:
    losses = _entropy(logits, wanted)
    return losses[hard_negatives(losses, wanted > 0)].mean()


OBJECTNESS_LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": _of_all,
    "focal": _focal,
    "hard_negatives": _of_hard_ones,
}
"""Each of (logits, wanted), (N, places), to a scalar."""


def objectness_loss(logits: Tensor, wanted: Tensor, kind: ObjectnessLoss = "cross_entropy") -> Tensor:
    """Return the loss of all places.

    Args:
        logits: Scores before the sigmoid.
        wanted: 0 where no object is, else how good the box there is, up to 1.
        kind: "cross_entropy" is the mean over all places, "focal" the sum over the number of places with an object,
            "hard_negatives" the mean over those and three times as many of the others, the worst mistakes.

    Shape:
        (N, places) and the same to a scalar.

    Raises:
        UnknownNameError: There is no such loss.
        ShapeError: The shapes differ, or are not (N, places).

    Source:
        Focal: Lin et al. 2017, arXiv:1708.02002, Section 4.1; hard negatives: Liu et al. 2015, arXiv:1512.02325,
        Section 2.2.

    Example:
        >>> import torch
        >>> logits, wanted = torch.tensor([[0.0, -9.0, -9.0, -9.0, -9.0]]), torch.tensor([[1.0, 0, 0, 0, 0]])
        >>> [round(objectness_loss(logits, wanted, kind).item(), 3) for kind in OBJECTNESS_LOSSES]
        [0.139, 0.043, 0.173]
    """
    if logits.shape != wanted.shape or logits.ndim != 2:
        raise ShapeError(
            f"scores are {tuple(logits.shape)} and {tuple(wanted.shape)}",
            where="objectness_loss",
            fix="give two tensors of one shape, (N, places)",
        )
    return choose(OBJECTNESS_LOSSES, kind, "objectness loss")(logits, wanted)
