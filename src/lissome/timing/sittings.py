"""Time sessions in several sittings, each with sessions opened anew: where one lies in memory is worth a percent."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from lissome.runtimes.accuracy import Runs
from lissome.timing.measure import Timing
from lissome.timing.sessions import measure_sessions

SITTINGS = 9


def measure_sittings(
    openers: Mapping[str, Callable[[], Runs]],
    *inputs: npt.NDArray[np.float32],
    baseline: str,
    sittings: int = SITTINGS,
    rounds: int = 6,
    seconds: float = 10.0,
    seed: int = 0,
) -> Timing:
    """Open the sessions in a random order, time them in turn, close them, and do so again.

    The same file, opened twice, is up to 1.5 % quicker or slower for as long as it is open (measured with onnxruntime,
    OpenVINO and MobileNetV3), and rounds do not tell: the interval of one sitting is tight around a chance. So each
    sitting counts as one observation, and the interval of a ratio is that of the sittings' own medians.

    Args:
        openers: Open a session each, by name; call inside of `pinned`.
        inputs: The arrays that each of them runs, (N, C, H, W) float32.
        baseline: The session that the others are compared with.
        sittings: How many, ≥ 1. From six on the interval is one of 95 % at least.
        rounds: Fewest rounds of a sitting before a tight interval ends it, ≥ 3.
        seconds: Time for the rounds of all sittings, > 0.
        seed: Seed of the orders.

    Raises:
        SettingError: A setting is out of its range.
        UnknownNameError: The baseline is no candidate.

    Example:
        >>> class Echo:
        ...     def run(self, *images):
        ...         return images
        >>> image = np.zeros((1, 3, 8, 8), np.float32)
        >>> measure_sittings({"a": Echo, "b": Echo}, image, baseline="a", sittings=2, seconds=0.02).sittings[0] >= 3
        True
    """
    generator = np.random.default_rng(seed)
    names, parts = list(openers), list[Timing]()
    for sitting in range(sittings):
        opened = {names[place]: openers[names[place]]() for place in generator.permutation(len(names))}
        sessions = {name: opened[name] for name in names}
        parts.append(
            measure_sessions(
                sessions, *inputs, baseline=baseline, rounds=rounds, seconds=seconds / sittings, seed=seed + sitting
            )
        )
    return Timing(
        samples_ms={name: tuple(one for part in parts for one in part.samples_ms[name]) for name in names},
        baseline=baseline,
        stalled=sum(part.stalled for part in parts),
        seed=seed,
        sittings=tuple(part.rounds for part in parts),
    )
