"""Sessions of engines, timed against each other."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lissome.runtimes.accuracy import Runs
from lissome.timing.measure import Timing, measure


def measure_sessions(
    sessions: Mapping[str, Runs],
    *inputs: npt.NDArray[np.float32],
    baseline: str | None = None,
    rounds: int = 20,
    warmup: int = 3,
    seconds: float = 10.0,
    seed: int = 0,
) -> Timing:
    """Time sessions in turn on one input.

    Args:
        sessions: By name; load them inside of `pinned`.
        inputs: The arrays each of them runs, (N, C, H, W) float32.
        baseline: The session that the others are compared with.
        rounds: Fewest rounds before a tight interval ends it.
        warmup: Calls of each before anything counts.
        seconds: Time for the rounds.
        seed: Seed of the order of turns.

    Raises:
        SettingError: A setting is out of its range.
    """

    def call_of(session: Runs) -> Callable[[], Any]:
        return lambda: session.run(*inputs)

    candidates = {name: call_of(session) for name, session in sessions.items()}
    return measure(candidates, baseline=baseline, rounds=rounds, warmup=warmup, seconds=seconds, seed=seed)
