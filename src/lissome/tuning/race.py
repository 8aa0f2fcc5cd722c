"""Candidates timed against each other: a short round for all, a long one for those that could win."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from lissome.core.errors import EngineError
from lissome.runtimes.accuracy import Runs
from lissome.runtimes.protocol import Array
from lissome.timing.measure import Timing
from lissome.timing.sessions import measure_sessions
from lissome.tuning.candidate import Candidate

_NEAR = 1.25
"""A candidate this many times slower than the quickest in the short round is not timed again."""
_MOST = 6


def race(
    candidates: Mapping[str, Candidate],
    open_session: Callable[[str], Runs],
    inputs: tuple[Array, ...],
    *,
    seconds: float,
    seed: int,
) -> dict[str, Candidate]:
    """Time candidates in turn and mark the quickest.

    Args:
        candidates: By label.
        open_session: Loads one by its label; call inside of `pinned`.
        inputs: One image an input.
        seconds: Time for both rounds.
        seed: Seed of the order of turns.

    Returns:
        The candidates with their latencies; the quickest is marked as chosen.

    Raises:
        EngineError: There are none.
    """
    if not candidates:
        raise EngineError("no engine runs this network within the limits", fix="see the reasons, or widen the limits")
    sessions = {label: open_session(label) for label in candidates}
    first = measure_sessions(sessions, *inputs, rounds=5, seconds=seconds / 2, seed=seed)
    # The least time of a few rounds is what a disturbance changes least; the median of many decides below.
    order = sorted(candidates, key=lambda label: first.latency(label).min_ms)
    best = first.latency(order[0]).min_ms
    near = [label for label in order[:_MOST] if first.latency(label).min_ms <= _NEAR * best]
    second = first
    if len(near) > 1:
        again = {label: sessions[label] for label in near}
        second = measure_sessions(again, *inputs, rounds=20, seconds=seconds / 2, seed=seed + 1)
    winner = min(near, key=lambda label: second.latency(label).median_ms)
    timings: dict[str, Timing] = {**dict.fromkeys(candidates, first), **dict.fromkeys(near, second)}
    return {
        label: replace(one, latency=timings[label].latency(label), chosen=label == winner)
        for label, one in candidates.items()
    }
