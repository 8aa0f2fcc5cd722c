"""k-means in one dimension: near-exact, since sorted values make a cluster an interval."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Initial = Literal["optimal", "density", "linear", "kmeans++"]
Floats = npt.NDArray[np.float64]

_BINS_A_CLUSTER = 8
_FEWEST_BINS = 128
_FEWEST_BINS_OF_MANY, _MANY = 512, 4096
_MOST_ROUNDS = 1000


@dataclass(frozen=True, slots=True)
class Clusters:
    """Where values were gathered.

    Args:
        centroids: The means, in ascending order; fewer than asked for where there are fewer distinct values.
        labels: The cluster of each value.
        distortion: Sum of the squared distances to the centroids.
    """

    centroids: Floats
    labels: npt.NDArray[np.int64]
    distortion: float


def cluster(
    values: npt.NDArray[np.floating], count: int, initial: Initial, generator: np.random.Generator | None = None
) -> Clusters:
    """Gather numbers around `count` means such that the squared distances are least.

    "optimal" finds the best borders between bins by dynamic programming, which is exact where there are no more values
    than bins; then, like the other ways to begin, Lloyd's rounds on all values until nothing moves. A
    round costs a binary search a cluster, however many values there are: sums of intervals come from running totals.

    Args:
        values: Any number of finite values, in one dimension.
        count: Clusters, ≥ 1.
        initial: "optimal"; "density": clusters of equally many values; "linear": evenly from least to greatest;
            "kmeans++": random values, far ones likelier.
        generator: Draws for "kmeans++".

    Source:
        Dynamic programming: Wang and Song 2011, Ckmeans.1d.dp, The R Journal 3(2). Beginnings: Han, Mao and Dally 2016,
        arXiv:1510.00149, section 3.2; Arthur and Vassilvitskii 2007 (k-means++).

    Example:
        >>> found = cluster(np.array([1.0, 9.0, 2.0, 8.0]), 2, "optimal")
        >>> found.centroids.tolist(), found.labels.tolist(), found.distortion
        ([1.5, 8.5], [0, 1, 0, 1], 1.0)
    """
    ordered = np.sort(values).astype(np.float64)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    borders = _lloyd(ordered, sums, _start(ordered, count, initial, generator))
    sizes = np.diff(borders)
    centroids = np.diff(sums[borders]) / sizes
    # Equal values are in one cluster, so the least of each tells them apart: quicker than to sort places, too.
    labels = np.searchsorted(ordered[borders[1:-1]], values, side="right")
    return Clusters(centroids, labels, float(np.square(ordered - np.repeat(centroids, sizes)).sum()))


def _lloyd(ordered: Floats, sums: Floats, centroids: Floats) -> npt.NDArray[np.int64]:
    """Return the borders of the clusters among sorted values, none of them empty."""
    borders = np.array([0, len(ordered)])
    for _ in range(_MOST_ROUNDS):
        inner = np.searchsorted(ordered, (centroids[1:] + centroids[:-1]) / 2)
        found = np.unique(np.concatenate([[0], inner, [len(ordered)]]))  # a cluster of nothing goes
        if np.array_equal(found, borders):
            break
        borders = found
        centroids = np.diff(sums[borders]) / np.diff(borders)
    return borders


def _start(ordered: Floats, count: int, initial: Initial, generator: np.random.Generator | None) -> Floats:
    if initial == "linear":
        return np.linspace(ordered[0], ordered[-1], count)
    if initial == "density":
        return np.unique(ordered[((np.arange(count) + 0.5) * len(ordered) / count).astype(np.int64)])
    if initial == "kmeans++":
        return _spread(ordered, count, generator or np.random.default_rng(0))
    return _best_of_bins(ordered, count)


def _spread(ordered: Floats, count: int, generator: np.random.Generator) -> Floats:
    chosen = [generator.choice(ordered)]
    nearest = np.square(ordered - chosen[0])
    while len(chosen) < count and nearest.max() > 0:
        place = np.searchsorted(np.cumsum(nearest), generator.random() * nearest.sum())
        chosen.append(ordered[min(int(place), len(ordered) - 1)])
        nearest = np.minimum(nearest, np.square(ordered - chosen[-1]))
    return np.unique(chosen)


def _best_of_bins(ordered: Floats, count: int) -> Floats:
    """Return the means of the best clusters whose borders are borders of bins."""
    fewest = _FEWEST_BINS_OF_MANY if len(ordered) > _MANY else _FEWEST_BINS
    values, edges = _bins(ordered, max(fewest, _BINS_A_CLUSTER * count))
    if len(edges) - 1 <= count:
        return values
    weights = np.diff(edges).astype(np.float64)
    total, mean = np.concatenate([[0.0], np.cumsum(weights)]), np.concatenate([[0.0], np.cumsum(weights * values)])
    square = np.concatenate([[0.0], np.cumsum(weights * values * values)])
    # cost[j, i]: squared distances of bins i … j - 1 from their mean; a row is read as it lies in memory.
    with np.errstate(divide="ignore", invalid="ignore"):
        between = mean[:, None] - mean[None]
        cost = square[:, None] - square[None] - between * between / (total[:, None] - total[None])
    cost[np.triu_indices(len(total))] = np.inf
    best, came, sums = cost[:, 0], [], np.empty_like(cost)
    for _ in range(count - 1):
        np.add(cost, best, out=sums)
        came.append(sums.argmin(axis=1))
        best = np.take_along_axis(sums, came[-1][:, None], axis=1)[:, 0]
    places = [len(values)]
    for one in reversed(came):
        places.append(int(one[places[-1]]))
    borders = np.array([0, *reversed(places)])
    found: Floats = np.diff(mean[borders]) / np.diff(total[borders])
    return found


def _bins(ordered: Floats, count: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the mean and the borders of bins: half of equal content, half of equal width, none cuts equal values."""
    places = np.linspace(0, len(ordered), count // 2 + 1).astype(np.int64)[:-1]
    levels = np.concatenate([ordered[places], np.linspace(ordered[0], ordered[-1], count // 2 + 1)[1:]])
    if len(ordered) <= 4 * count and len(distinct := np.unique(ordered)) <= count:
        levels = distinct
    edges = np.unique(np.concatenate([[0], np.searchsorted(ordered, levels), [len(ordered)]]))
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    return np.diff(sums[edges]) / np.diff(edges), edges
