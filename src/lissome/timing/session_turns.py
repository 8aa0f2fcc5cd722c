"""Several sessions of the same thing in turn, since where one lies in memory is worth one or two percent."""

from collections.abc import Callable
from itertools import cycle

import numpy as np
import numpy.typing as npt

from lissome.timing.sessions import Runs

SESSIONS = 3


class SessionTurns:
    """Open a thing several times and let each call run the next session.

    The same file, opened again, is up to 1.5 % quicker or slower for as long as it is open (measured with onnxruntime
    and MobileNetV3): one session each would report that chance as a difference, with a tight interval around it.

    Args:
        open_session: Opens one.
        sessions: How many, ≥ 1. Default 3.

    Example:
        >>> class Echo:
        ...     def run(self, *images):
        ...         return images
        >>> len(SessionTurns(Echo).run(np.zeros((1, 3, 8, 8), np.float32)))
        1
    """

    def __init__(self, open_session: Callable[[], Runs], sessions: int = SESSIONS) -> None:
        """Open them."""
        self._sessions = cycle([open_session() for _ in range(sessions)])

    def run(self, *images: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], ...]:
        """Return what the next session computes: one array (N, …) an output."""
        return next(self._sessions).run(*images)
