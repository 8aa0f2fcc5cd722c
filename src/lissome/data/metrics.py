"""Scores of single samples, whose mean is the figure to report."""

from torch import Tensor


def top1_correct(output: Tensor, labels: Tensor) -> Tensor:
    """Return 1 where the greatest output is the label's, else 0.

    Shape:
        output: (N, classes). labels: (N,) integer. Returns (N,) float32.

    Example:
        >>> import torch
        >>> top1_correct(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1])).tolist()
        [1.0, 0.0]
    """
    return (output.argmax(1) == labels).float()


def top5_correct(output: Tensor, labels: Tensor) -> Tensor:
    """Return 1 where the label's output is among the five greatest, else 0.

    Shape:
        output: (N, classes). labels: (N,) integer. Returns (N,) float32.

    Example:
        >>> import torch
        >>> top5_correct(torch.arange(10.0)[None], torch.tensor([5])).tolist()
        [1.0]
    """
    best = output.topk(min(5, output.shape[1]), dim=1).indices
    return (best == labels[:, None]).any(1).float()
