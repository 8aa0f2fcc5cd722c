"""Which images are held out, and in which order a split keeps them: both stratified by class and seeded."""

import numpy as np

from lissome.core.errors import BadDataError
from lissome.data.split import Indices, Labels

HELD_OUT_SHARE = 0.1
HELD_OUT_AT_MOST = 5_000


def stratified_order(labels: Labels) -> Indices:
    """Return an order whose every beginning holds the classes in nearly the proportions of the whole.

    With it the first `limit` images of a split are a fair sample even of data sorted by class. Within a class the
    order stays.

    Shape:
        labels: (N,). Returns (N,), a permutation.

    Example:
        >>> stratified_order(np.array([0, 0, 0, 0, 1, 1])).tolist()
        [0, 4, 1, 2, 5, 3]
    """
    position = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.argsort(position, kind="stable")


def hold_out(
    labels: Labels,
    *,
    seed: int,
    share: float = HELD_OUT_SHARE,
    at_most: int | None = HELD_OUT_AT_MOST,
    where: str = "training data",
) -> tuple[Indices, Indices]:
    """Choose images to hold out: the same share of every class, at least one of each class that has two.

    Args:
        labels: (N,) integers.
        seed: Decides which images of a class are held out.
        share: Share held out, (0, 1).
        at_most: About so many at most, to within one a class; the share shrinks for it. None sets no bound.
        where: What the labels are of, for the message.

    Returns:
        Positions kept and positions held out, both ascending.

    Raises:
        BadDataError: No class has two images.

    Example:
        >>> kept, held_out = hold_out(np.arange(40) % 2, seed=0)
        >>> len(kept), len(held_out)
        (36, 4)
    """
    if at_most is not None:
        share = min(share, at_most / max(len(labels), 1))
    generator = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(1, round(len(members) * share)), len(members) - 1)
        chosen[generator.permutation(members)[:count]] = True
    kept, held_out = np.flatnonzero(~chosen), np.flatnonzero(chosen)
    if not len(held_out):
        raise BadDataError(
            "no class has two images, so none can be held out", where=where, fix="give more images of each class"
        )
    return kept, held_out
