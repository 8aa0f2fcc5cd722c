"""How many singular values of a matrix stand out of its noise, by variational Bayes."""

import math

import torch
from torch import Tensor

_GRID = 400
_GOLDEN = (math.sqrt(5) - 1) / 2
_ROUNDS = 60


def vbmf_rank(singular_values: Tensor, rows: int, columns: int) -> int:
    """Return the rank that fully observed variational Bayesian matrix factorization finds, its noise estimated.

    A matrix L x M, L ≤ M, is a product of few factors plus Gaussian noise of variance s². The noise is where the free
    energy is least, and the rank is the number of singular values above ``sqrt(M s² (1 + t)(1 + a / t))`` with
    ``a = L / M`` and ``t = 2.5129 sqrt(a)``.

    Args:
        singular_values: All of them, (L,), descending.
        rows: Of the matrix.
        columns: Of the matrix.

    Source:
        Nakajima, Sugiyama, Babacan and Tomioka 2013, Global Analytic Solution of Fully-observed Variational Bayesian
        Matrix Factorization, JMLR 14, theorems 2 and 3 and corollary 1; used for convolutions by Kim et al. 2016,
        arXiv:1511.06530.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> low = torch.randn(40, 3, generator=generator) @ torch.randn(3, 60, generator=generator)
        >>> noisy = low + 0.3 * torch.randn(40, 60, generator=generator)
        >>> vbmf_rank(torch.linalg.svdvals(noisy), 40, 60)
        3
    """
    few, many = min(rows, columns), max(rows, columns)
    squares = singular_values.double().square()[:few]
    ratio = few / many
    tau = 2.5129 * math.sqrt(ratio)
    threshold = (1 + tau) * (1 + ratio / tau)
    most = min(math.ceil(few / (1 + ratio)) - 1, few - 1)
    rest = squares[most:]
    low = max(float(rest[0]) / (many * threshold), float(rest.mean()) / many)
    high = float(squares.sum()) / (few * many)
    if not 0 < low < high:
        return int((squares > many * max(low, 1e-300) * threshold).sum())
    noise = _least(squares, many, ratio, threshold, (low, high))
    return int((squares > many * noise * threshold).sum())


def _least(squares: Tensor, many: int, ratio: float, threshold: float, bounds: tuple[float, float]) -> float:
    """Return the variance of least free energy: the best of a grid, then golden sections around it."""

    def energy(log_noise: float) -> float:
        return _free_energy(squares / (many * math.exp(log_noise)), ratio, threshold)

    low, high = map(math.log, bounds)
    grid = [low + (high - low) * step / _GRID for step in range(_GRID + 1)]
    best = min(range(len(grid)), key=lambda step: energy(grid[step]))
    left, right = grid[max(0, best - 1)], grid[min(_GRID, best + 1)]
    for _ in range(_ROUNDS):
        first, second = right - _GOLDEN * (right - left), left + _GOLDEN * (right - left)
        left, right = (left, second) if energy(first) <= energy(second) else (first, right)
    return math.exp((left + right) / 2)


def _free_energy(x: Tensor, ratio: float, threshold: float) -> float:
    kept = x[x > threshold]
    sums = kept - (1 + ratio)
    tau = (sums + (sums.square() - 4 * ratio).clamp_min(0).sqrt()) / 2
    gained = torch.log(tau + 1) + ratio * torch.log(tau / ratio + 1) - tau
    positive = x.clamp_min(1e-300)
    return float((positive - positive.log()).sum() + gained.sum())
