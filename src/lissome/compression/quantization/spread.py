"""What the values of a tensor are expected to be where no image has been seen: mean, variance and ends of each."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_NODES = 49
"""Points at which a curved function is evaluated, for its moments and again for its ends."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and variance of each entry of a tensor, and the least and greatest value to expect; NaN is not known.

    Entries are taken to be independent of each other, except those of one channel, which are taken to move together: an
    average of pixels varies as one pixel does.

    Shape:
        Four times the shape of the tensor, for one image.

    Source:
        Nagel et al. 2019, Data-free quantization, arXiv:1906.04721, section 4.2.1 and appendix C: normal, and clipped
        normal. The rules for sums, products and curved functions are ours.
    """

    mean: Tensor
    variance: Tensor
    low: Tensor
    high: Tensor

    @classmethod
    def normal(cls, mean: Tensor, deviation: Tensor, reach: float) -> "Spread":
        """Return normal distributions that reach so many deviations to both sides.

        Example:
            >>> Spread.normal(torch.tensor([1.0]), torch.tensor([0.5]), 6.0).high
            tensor([4.])
        """
        return cls(mean, deviation.square(), mean - reach * deviation, mean + reach * deviation)

    @classmethod
    def even(cls, low: Tensor, high: Tensor) -> "Spread":
        """Return even distributions between two ends."""
        return cls((low + high) / 2, (high - low).square() / 12, low, high)

    @classmethod
    def constant(cls, value: Tensor) -> "Spread":
        """Return what does not vary."""
        return cls(value, torch.zeros_like(value), value, value)

    @classmethod
    def unknown(cls, like: Tensor) -> "Spread":
        """Return what nothing is known of, in the shape of a tensor."""
        return cls(*[torch.full_like(like, torch.nan)] * 4)

    def each(self, change: Callable[[Tensor], Tensor]) -> "Spread":
        """Return the four with the same done to each: what only moves or averages entries."""
        return Spread(change(self.mean), change(self.variance), change(self.low), change(self.high))

    def plus(self, other: "Spread") -> "Spread":
        """Return the sum of two; the distances from mean to ends add as deviations do.

        Example:
            >>> one = Spread.normal(torch.zeros(1), torch.ones(1) * 3, 1.0)
            >>> one.plus(Spread.normal(torch.zeros(1), torch.ones(1) * 4, 1.0)).high
            tensor([5.])
        """
        mean = self.mean + other.mean
        down = torch.hypot(self.mean - self.low, other.mean - other.low)
        up = torch.hypot(self.high - self.mean, other.high - other.mean)
        return Spread(mean, self.variance + other.variance, mean - down, mean + up)

    def negated(self) -> "Spread":
        """Return it with the sign turned."""
        return Spread(-self.mean, self.variance, -self.high, -self.low)

    def times(self, other: "Spread") -> "Spread":
        """Return the product of two, which are taken to be independent."""
        ends = torch.stack([one * two for one in (self.low, self.high) for two in (other.low, other.high)])
        variance = self.variance * other.variance
        variance = variance + self.variance * other.mean.square() + other.variance * self.mean.square()
        return Spread(self.mean * other.mean, variance, ends.amin(0), ends.amax(0))

    def clipped(self, least: float, most: float) -> "Spread":
        """Return what a clip leaves of normal distributions of this mean and variance.

        Args:
            least: Lower end, or minus infinity.
            most: Upper end, or infinity.

        Example:
            >>> standard = Spread.normal(torch.zeros(1), torch.ones(1), 6.0)
            >>> standard.clipped(0.0, torch.inf).mean
            tensor([0.3989])
        """
        deviation = self.variance.clamp_min(1e-30).sqrt()
        mean = torch.zeros_like(self.mean)
        square = torch.zeros_like(self.mean)
        inside = torch.ones_like(self.mean)
        first, second = torch.zeros_like(mean), torch.zeros_like(mean)  # ∫ z φ and ∫ z² φ - ∫ φ between the ends
        for end, side in ((least, -1.0), (most, 1.0)):
            if abs(end) == torch.inf:
                continue
            z = ((end - self.mean) / deviation).clamp(-40.0, 40.0)  # beyond, the density is 0 all the same
            density = torch.exp(-z.square() / 2) / (2 * torch.pi) ** 0.5
            outside = torch.special.ndtr(side * -z)
            mean, square, inside = mean + end * outside, square + end**2 * outside, inside - outside
            first, second = first - side * density, second - side * z * density
        mean = mean + self.mean * inside + deviation * first
        square = square + (self.mean.square() + self.variance) * inside + 2 * self.mean * deviation * first
        square = square + self.variance * second
        variance = (square - mean.square()).clamp_min(0.0)
        return Spread(mean, variance, self.low.clamp(least, most), self.high.clamp(least, most))

    def through(self, function: Callable[[Tensor], Tensor]) -> "Spread":
        """Return what a function of single entries makes of normal distributions of this mean and variance.

        Example:
            >>> standard = Spread.normal(torch.zeros(1), torch.ones(1), 6.0)
            >>> round(standard.through(torch.square).mean.item(), 3)
            1.0
        """
        deviation = self.variance.sqrt()
        mean, square = torch.zeros_like(self.mean), torch.zeros_like(self.mean)
        places = torch.linspace(-4.5, 4.5, _NODES)
        weights = torch.exp(-places.square() / 2)
        for place, weight in zip(places.tolist(), (weights / weights.sum()).tolist(), strict=True):
            value = function(self.mean + place * deviation)
            mean, square = mean + weight * value, square + weight * value.square()
        low = torch.full_like(mean, torch.inf)
        high = -low
        for share in torch.linspace(0, 1, _NODES).tolist():
            value = function(self.low + share * (self.high - self.low))
            low, high = torch.minimum(low, value), torch.maximum(high, value)
        return Spread(mean, (square - mean.square()).clamp_min(0.0), low, high)
