"""How the learning rate changes while training."""

import math
from collections.abc import Callable, Mapping
from typing import Literal

Schedule = Literal["cosine", "one_cycle", "constant"]

# What follows the warm-up, as a factor of the peak at share x in [0, 1] of the rest.
DECAYS: Mapping[Schedule, Callable[[float], float]] = {
    "cosine": lambda x: (1 + math.cos(math.pi * x)) / 2,
    "one_cycle": lambda x: 1 - x,
    "constant": lambda _: 1.0,
}
WARM_UPS: Mapping[Schedule, float] = {"cosine": 0.05, "one_cycle": 0.3, "constant": 0.05}


def learning_rate_factor(schedule: Schedule, progress: float, warm_up: float | None = None) -> float:
    """Return the learning rate as a share of its peak.

    It rises linearly during the warm-up; after it "cosine" falls along half a cosine to 0, "one_cycle" linearly to 0,
    and "constant" stays.

    Args:
        schedule: The form.
        progress: Share of all steps done, [0, 1].
        warm_up: Share of the steps over which the rate rises, [0, 1); None takes 0.05, for one_cycle 0.3.

    Source:
        Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5 (one period); Smith and Topin 2018, arXiv:1708.07120.

    Example:
        >>> [round(learning_rate_factor("cosine", share, 0.5), 3) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    rise = WARM_UPS[schedule] if warm_up is None else warm_up
    if progress < rise:
        return progress / rise
    return DECAYS[schedule]((progress - rise) / (1 - rise))
