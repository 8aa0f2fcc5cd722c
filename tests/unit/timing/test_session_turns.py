"""Several sessions of one thing, each run by the next call."""

import numpy as np
import pytest

from lissome.timing.session_turns import SESSIONS, SessionTurns


class Counting:
    """A session that notes its runs."""

    def __init__(self) -> None:
        self.runs = 0

    def run(self, *images: np.ndarray) -> tuple[np.ndarray, ...]:
        self.runs += 1
        return tuple(2 * one for one in images)


@pytest.mark.parametrize("sessions", [1, SESSIONS])
def test_each_session_runs_equally_often_and_its_output_comes_back(sessions: int) -> None:
    opened: list[Counting] = []

    def open_session() -> Counting:
        opened.append(Counting())
        return opened[-1]

    turns = SessionTurns(open_session, sessions)
    image = np.ones((1, 3, 4, 4), np.float32)
    for _ in range(2 * sessions):
        (output,) = turns.run(image)
        np.testing.assert_array_equal(output, 2 * image)
    assert [one.runs for one in opened] == [2] * sessions
